"""The official client, unchanged. Set OPENAI_BASE_URL and OPENAI_API_KEY to what `nightshift serve` said, then: python openai_client.py [FILE]"""

import pathlib
import sys
import time

from openai import OpenAI

client = OpenAI()
path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("packages-chat.jsonl")

file = client.files.create(file=path.open("rb"), purpose="batch")
batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
while batch.status not in ("completed", "failed", "expired", "cancelled"):
    time.sleep(1)
    batch = client.batches.retrieve(batch.id)
    print(batch.status, batch.request_counts, file=sys.stderr)
for error in batch.errors.data if batch.errors else []:
    print(f"line {error.line}: {error.message}", file=sys.stderr)
for id in (batch.output_file_id, batch.error_file_id):
    if id:
        print(client.files.content(id).text, end="")
