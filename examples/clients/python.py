"""OpenAI's Python client, unchanged. Set OPENAI_BASE_URL and OPENAI_API_KEY, then: python python.py FILE"""

import pathlib
import sys
import time

from openai import OpenAI

client = OpenAI()

file = client.files.create(file=pathlib.Path(sys.argv[1]), purpose="batch")
print("file", file.id)

request = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
batch = client.batches.create(**request)
print("batch", batch.id)

second = client.batches.cancel(client.batches.create(**request).id)
print("cancel", second.id, second.status)

while batch.status in ("validating", "in_progress", "finalizing"):
    time.sleep(0.5)
    batch = client.batches.retrieve(batch.id)
print("status", batch.status)
for error in batch.errors.data if batch.errors else []:
    print(f"line {error.line}: {error.message}")

print("listed", sum(1 for _ in client.batches.list(limit=2)))

for id in (batch.output_file_id, batch.error_file_id):
    if id:
        print(client.files.content(id).text, end="")
