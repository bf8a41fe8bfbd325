#!/bin/sh
# A batch over a file that lies in the bucket folder of the default project; its results appear beside it.
# Start `nightshift serve` in this folder first, and set OPENAI_BASE_URL and OPENAI_API_KEY to what it said.
set -eu
cp "$(dirname "$0")/packages-chat.jsonl" ./nightshift-data/buckets/default/tickets.jsonl
curl -sS "$OPENAI_BASE_URL/batches" -H "Authorization: Bearer $OPENAI_API_KEY" -H 'content-type: application/json' \
  -d '{"input_file_id": "s3://default/tickets.jsonl", "endpoint": "/v1/chat/completions", "completion_window": "24h"}'
echo
echo 'Look for tickets-output.jsonl in ./nightshift-data/buckets/default'
