#!/bin/sh
# curl and jq alone. Set OPENAI_BASE_URL and OPENAI_API_KEY, then: sh curl.sh FILE
set -eu
api() { curl -sS --fail-with-body -H "Authorization: Bearer $OPENAI_API_KEY" "$@"; }

file=$(api "$OPENAI_BASE_URL/files" -F purpose=batch -F "file=@$1" | jq -r .id)
echo "file $file"

request="{\"input_file_id\": \"$file\", \"endpoint\": \"/v1/chat/completions\", \"completion_window\": \"24h\"}"
create() { api "$OPENAI_BASE_URL/batches" -H 'content-type: application/json' -d "$request" | jq -r .id; }
batch=$(create)
echo "batch $batch"

second=$(create)
echo "cancel $second $(api -X POST "$OPENAI_BASE_URL/batches/$second/cancel" | jq -r .status)"

status=validating
while [ "$status" = validating ] || [ "$status" = in_progress ] || [ "$status" = finalizing ]; do
  sleep 0.5
  status=$(api "$OPENAI_BASE_URL/batches/$batch" | jq -r .status)
done
echo "status $status"

listed=0 after='' more=true
while [ "$more" = true ]; do
  page=$(api "$OPENAI_BASE_URL/batches?limit=2${after:+&after=$after}")
  listed=$((listed + $(echo "$page" | jq '.data | length')))
  after=$(echo "$page" | jq -r .last_id)
  more=$(echo "$page" | jq -r .has_more)
done
echo "listed $listed"

for id in $(api "$OPENAI_BASE_URL/batches/$batch" | jq -r '.output_file_id, .error_file_id | values'); do
  api "$OPENAI_BASE_URL/files/$id/content"
done
