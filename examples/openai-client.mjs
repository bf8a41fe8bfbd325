// The official client, unchanged. Set OPENAI_BASE_URL and OPENAI_API_KEY to what `nightshift serve` said, then: node openai-client.mjs [FILE]
import { createReadStream } from 'node:fs'
import OpenAI from 'openai'

const client = new OpenAI()
const path = process.argv[2] ?? new URL('packages-chat.jsonl', import.meta.url)

const file = await client.files.create({ file: createReadStream(path), purpose: 'batch' })
let batch = await client.batches.create({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' })
while (!['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) {
  await new Promise((resolve) => setTimeout(resolve, 1000))
  batch = await client.batches.retrieve(batch.id)
  console.error(batch.status, batch.request_counts)
}
for (const error of batch.errors?.data ?? []) console.error(`line ${error.line}: ${error.message}`)
for (const id of [batch.output_file_id, batch.error_file_id])
  if (id) process.stdout.write(await (await client.files.content(id)).text())
