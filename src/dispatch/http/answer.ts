import { isUtf8 } from 'node:buffer'
import type { Answered, Ending } from '../../domain/outcome.ts'
import { scanJson } from '../../domain/json-scan.ts'
import { parseRetryAfter } from '../../domain/retry.ts'
import { noUsage, readUsage, type Usage } from '../../domain/usage.ts'

/** What of an answer's headers matters. */
export interface Head {
  readonly requestId: string | null
  readonly retryAfterMs: number | null
  /** null: not compressed. */
  readonly encoding: string | null
}

const plain: Head = { requestId: null, retryAfterMs: null, encoding: null }

/** Reads raw headers (name, value, name, value, ...) and makes nothing of those that do not matter: told by the length of their names. */
export function readHead(raw: readonly Buffer[], now: () => number): Head {
  let head = plain
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const length = raw[i]?.length
    if (length !== 11 && length !== 12 && length !== 16) continue
    const name = raw[i]?.toString('latin1').toLowerCase()
    const value = raw[i + 1]?.toString('latin1').trim() ?? ''
    if (name === 'x-request-id' && value !== '') head = { ...head, requestId: value }
    else if (name === 'retry-after') head = { ...head, retryAfterMs: parseRetryAfter(value, now()) }
    else if (name === 'content-encoding') head = { ...head, encoding: value.toLowerCase() }
  }
  return head
}

/** What an answer puts into the result (D17): its own bytes where they are JSON, on one line. */
export function endingOf({ status, requestId, body }: Answered): Ending {
  const [only] = body
  const bytes = withoutBom(body.length === 1 && only ? only : Buffer.concat(body))
  const usage = usageIn(bytes)
  const good = status >= 200 && status < 300
  if (usage) return { kind: 'answered', status, requestId, body: [onOneLine(bytes)], usage: good ? usage : noUsage }
  if (good)
    return {
      kind: 'unanswered',
      code: 'invalid_response',
      message: `The model answered ${status} with a body that is not UTF-8 JSON.`,
    }
  return { kind: 'answered', status, requestId, body: [wrapped(bytes, status)], usage: noUsage }
}

const withoutBom = (bytes: Buffer): Buffer =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

/** Up to here it is cheaper to look through the bytes than to make values of all of them; of long texts the parser is quicker, which is native. */
const scannedBytes = 2048

/** The usage that an answer tells; null: it is not UTF-8 JSON. */
export function usageIn(bytes: Buffer): Usage | null {
  if (!isUtf8(bytes)) return null
  if (bytes.length <= scannedBytes) return scannedUsage(bytes)
  try {
    return readUsage(JSON.parse(bytes.toString()))
  } catch {
    return null
  }
}

function scannedUsage(bytes: Buffer): Usage | null {
  let isUsage = false
  let [from, to] = [0, 0]
  const scanned = scanJson(bytes, 0, bytes.length, {
    key(depth, start, end) {
      if (depth === 1) isUsage = names(bytes, start, end, usageKey)
    },
    value(depth, start, end) {
      if (depth === 1 && isUsage) [from, to] = [start, end]
    },
  })
  if (scanned === 'invalid') return null
  return to === 0 ? noUsage : readUsage({ usage: JSON.parse(bytes.toString('utf8', from, to)) as unknown })
}

const usageKey = Buffer.from('"usage"')

/** Is it this key, as it is or in escapes? */
function names(bytes: Buffer, start: number, end: number, key: Buffer): boolean {
  let same = end - start === key.length
  for (let i = start; i < end; i++) {
    if (bytes[i] === 0x5c) return JSON.parse(bytes.toString('utf8', start, end)) === JSON.parse(key.toString())
    if (same && bytes[i] !== key[i - start]) same = false
  }
  return same
}

const lf = 10
const cr = 13

/** NOTE: only for what has been parsed: in JSON a raw line break can only be white space. Writes into the bytes, which are nobody else's. */
function onOneLine(bytes: Buffer): Buffer {
  for (let at = bytes.indexOf(lf); at >= 0; at = bytes.indexOf(lf, at + 1)) bytes[at] = 32
  for (let at = bytes.indexOf(cr); at >= 0; at = bytes.indexOf(cr, at + 1)) bytes[at] = 32
  return bytes
}

/** At most so much is kept of an error that is not JSON: proxies answer with whole pages. */
const maxTextBytes = 16 * 1024

function wrapped(bytes: Buffer, status: number): Buffer {
  const text = new TextDecoder().decode(bytes.subarray(0, maxTextBytes))
  return Buffer.from(JSON.stringify({ error: { message: text === '' ? `HTTP ${status} with an empty body` : text } }))
}
