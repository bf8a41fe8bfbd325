import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import type { Pool } from 'undici'
import type { Server } from './child.ts'

export interface Seen {
  readonly id: string
  readonly status: string
  readonly output_file_id: string | null
  readonly error_file_id: string | null
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number }
}

export async function call<T>(
  server: Server,
  method: string,
  path: string,
  body?: string | Readable,
  headers: Record<string, string> = {},
): Promise<T> {
  const answer = await fetch(`${server.url}/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${server.key}`, ...headers },
    ...(body === undefined ? {} : { body, duplex: 'half' }),
  })
  const json = (await answer.json()) as T
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(json)}`)
  return json
}

/** Streamed: a blob of Node's own (`openAsBlob`) ends at 4 GB. */
export async function upload(server: Server, path: string): Promise<string> {
  const boundary = 'nightshift-bench'
  const part = (name: string) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"`
  async function* form(): AsyncGenerator<Buffer> {
    yield Buffer.from(`${part('purpose')}\r\n\r\nbatch\r\n${part('file')}; filename="lines.jsonl"\r\n\r\n`)
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) yield chunk as Buffer
    yield Buffer.from(`\r\n--${boundary}--\r\n`)
  }
  const type = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  return (await call<{ id: string }>(server, 'POST', '/files', Readable.from(form()), type)).id
}

export const create = (server: Server, input: string, endpoint = '/v1/chat/completions'): Promise<Seen> =>
  call(server, 'POST', '/batches', JSON.stringify({ input_file_id: input, endpoint, completion_window: '24h' }), {
    'content-type': 'application/json',
  })

/** By a pool, for many at once. */
export async function createBy(pool: Pool, key: string, input: string): Promise<string> {
  const { statusCode, body } = await pool.request({
    path: '/v1/batches',
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'idempotency-key': randomUUID() },
    body: JSON.stringify({ input_file_id: input, endpoint: '/v1/chat/completions', completion_window: '24h' }),
  })
  const { id } = (await body.json()) as { id: string }
  if (statusCode !== 200) throw new Error(`create: ${statusCode}`)
  return id
}

export async function getBy(pool: Pool, key: string, id: string): Promise<void> {
  const { statusCode, body } = await pool.request({
    path: `/v1/batches/${id}`,
    method: 'GET',
    headers: { authorization: `Bearer ${key}` },
  })
  await body.dump()
  if (statusCode !== 200) throw new Error(`get: ${statusCode}`)
}

export const get = (server: Server, id: string): Promise<Seen> => call(server, 'GET', `/batches/${id}`)

/** Polls until the batch is as it should be. */
export async function until(server: Server, id: string, is: (batch: Seen) => boolean, everyMs = 10): Promise<Seen> {
  for (;;) {
    const batch = await get(server, id)
    if (is(batch)) return batch
    if (/failed|expired/.test(batch.status)) throw new Error(`the batch is ${batch.status}: ${JSON.stringify(batch)}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

export const ended = (batch: Seen): boolean => ['completed', 'cancelled', 'failed', 'expired'].includes(batch.status)

/** Lines of a given size, with ids that differ. */
export function* lines(count: number, bytes: number): Generator<string> {
  const bare = (i: number, text: string) =>
    `${JSON.stringify({ custom_id: `line-${i}`, method: 'POST', url: '/v1/chat/completions', body: { model: 'sim', messages: [{ role: 'user', content: text }], max_tokens: 16 } })}\n`
  for (let i = 0; i < count; i++) yield bare(i, 'x'.repeat(Math.max(1, bytes - bare(i, '').length)))
}
