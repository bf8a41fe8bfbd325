"""The same with Python alone, and the project in the path.

Set BATCH_API (such as https://api.example.com/PROJECT_ID/v1) and OPENAI_API_KEY, then: python address_http.py s3://bucket/key.jsonl
"""

import json
import os
import sys
import time
import urllib.parse
import urllib.request


def call(method: str, path: str, body: dict | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(os.environ["BATCH_API"] + path, data, headers, method=method)
    with urllib.request.urlopen(request) as response:
        return response.read()


create = {"input_file_id": sys.argv[1], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
batch = json.loads(call("POST", "/batches", create))
print("batch", batch["id"])

while batch["status"] in ("validating", "in_progress"):
    time.sleep(0.2)
    batch = json.loads(call("GET", f"/batches/{batch['id']}"))
if batch["status"] != "completed":
    sys.exit(f"unexpected: {batch['status']} {batch['errors']}")
print("status", batch["status"])
print("output", batch["output_file_id"])
print(call("GET", f"/files/{urllib.parse.quote(batch['output_file_id'], safe='')}/content").decode(), end="")
