import { isAscii, isUtf8 } from 'node:buffer'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import type { Outcome } from '../domain/outcome.ts'
import { parseRetryAfter } from '../domain/retry.ts'
import { noUsage, readUsage, type Usage } from '../domain/usage.ts'

/** What of an answer's headers matters. */
export interface Head {
  readonly requestId: string | null
  readonly retryAfterMs: number | null
  readonly encoding: string | null
}

const plainHead: Head = { requestId: null, retryAfterMs: null, encoding: null }

/** Reads raw headers (name, value, name, value, ...) without making objects of those that do not matter. */
export function readHead(raw: readonly (Buffer | string)[], now: () => number): Head {
  let head = plainHead
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (name.length !== 12 && name.length !== 11 && name.length !== 16) continue
    const value = () => (raw[i + 1] ?? '').toString('latin1')
    switch (name.toString('latin1').toLowerCase()) {
      case 'x-request-id':
        head = { ...head, requestId: value() }
        break
      case 'retry-after':
        head = { ...head, retryAfterMs: parseRetryAfter(value(), now()) }
        break
      case 'content-encoding':
        if (value() !== 'identity') head = { ...head, encoding: value().toLowerCase() }
        break
    }
  }
  return head
}

const inflaters: Readonly<Record<string, (data: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
}

/** Backends are asked not to compress; some proxies do so all the same. */
export async function unpacked(
  encoding: string,
  chunks: readonly Buffer[],
  limitBytes: number,
): Promise<Buffer | 'too-large' | null> {
  const inflater = inflaters[encoding]
  if (!inflater) return null
  try {
    return await inflater(Buffer.concat(chunks), { maxOutputLength: limitBytes })
  } catch (error) {
    return error instanceof RangeError ? 'too-large' : null
  }
}

const lf = 10
const cr = 13
const space = 32

/** D17: the bytes as they came, but for a BOM, which is dropped, and raw line breaks, which become spaces (in JSON they can only be white space). */
export function onOneLine(chunks: readonly Buffer[]): readonly Buffer[] {
  const first = chunks[0]
  const plain = first?.[0] === 0xef && first[1] === 0xbb && first[2] === 0xbf ? [first.subarray(3), ...chunks.slice(1)] : chunks
  for (const chunk of plain)
    for (const mark of [lf, cr]) for (let at = chunk.indexOf(mark); at >= 0; at = chunk.indexOf(mark, at + 1)) chunk[at] = space
  return plain
}

/** JSON, and what it says of usage; null: not UTF-8 JSON. */
function parsed(chunks: readonly Buffer[]): { usage: Usage } | null {
  const [only] = chunks
  const bytes = chunks.length === 1 && only ? only : Buffer.concat(chunks)
  if (!isAscii(bytes) && !isUtf8(bytes)) return null
  try {
    return { usage: readUsage(JSON.parse(bytes.toString('utf8'))) }
  } catch {
    return null
  }
}

/** At most so much of an error that is not JSON is kept. */
const errorTextBytes = 64 * 1024

/** What a whole answer comes to. */
export function judge(status: number, head: Head, chunks: readonly Buffer[]): Outcome {
  const body = onOneLine(chunks)
  const json = parsed(body)
  if (status >= 200 && status < 300) {
    if (!json) return { kind: 'garbage', message: `The model answered ${status} with a body that is not UTF-8 JSON.` }
    return { kind: 'answered', status, requestId: head.requestId, retryAfterMs: null, body, usage: json.usage }
  }
  const kept = json
    ? body
    : [Buffer.from(JSON.stringify({ error: { message: Buffer.concat(body).subarray(0, errorTextBytes).toString('utf8') } }))]
  return { kind: 'answered', status, requestId: head.requestId, retryAfterMs: head.retryAfterMs, body: kept, usage: noUsage }
}
