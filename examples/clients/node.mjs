// OpenAI's Node client, unchanged. Set OPENAI_BASE_URL and OPENAI_API_KEY, then: node node.mjs FILE
import { createReadStream } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI from 'openai'

const client = new OpenAI()

const file = await client.files.create({ file: createReadStream(process.argv[2]), purpose: 'batch' })
console.log('file', file.id)

const request = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' }
let batch = await client.batches.create(request)
console.log('batch', batch.id)

const second = await client.batches.cancel((await client.batches.create(request)).id)
console.log('cancel', second.id, second.status)

while (['validating', 'in_progress', 'finalizing'].includes(batch.status)) {
  await sleep(500)
  batch = await client.batches.retrieve(batch.id)
}
console.log('status', batch.status)
for (const { line, message } of batch.errors?.data ?? []) console.log(`line ${line}: ${message}`)

let listed = 0
for await (const _ of client.batches.list({ limit: 2 })) listed++
console.log('listed', listed)

for (const id of [batch.output_file_id, batch.error_file_id])
  if (id) process.stdout.write(await (await client.files.content(id)).text())
