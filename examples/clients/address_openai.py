"""A batch over an object in a bucket, with OpenAI's client: the results are objects beside it.

Set OPENAI_BASE_URL and OPENAI_API_KEY, then: python address_openai.py s3://bucket/key.jsonl
"""

import sys
import time

from openai import OpenAI

client = OpenAI()
batch = client.batches.create(input_file_id=sys.argv[1], endpoint="/v1/chat/completions", completion_window="24h")
print("batch", batch.id)

while True:
    batch = client.batches.retrieve(batch.id)
    if batch.status == "completed":
        break
    if batch.status == "failed":
        sys.exit(f"failed: {batch.errors}")
    if batch.status not in ("validating", "in_progress"):
        sys.exit(f"unexpected: {batch.status}")
    time.sleep(0.2)
print("status", batch.status)
print("output", batch.output_file_id)
print(client.files.content(batch.output_file_id).text, end="")
