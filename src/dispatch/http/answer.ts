import type { Answered, Ending } from '../../domain/outcome.ts'
import { parseRetryAfter } from '../../domain/retry.ts'
import { noUsage } from '../../domain/usage.ts'
import { audioUsageIn, usageIn } from './answer-usage.ts'

/** What of an answer's headers matters. */
export interface Head {
  readonly requestId: string | null
  readonly retryAfterMs: number | null
  /** null: not compressed. */
  readonly encoding: string | null
  /** Its length is told, or it comes in chunks; else its end is that of the connection (RFC 9112, 6.3), which may have come too soon. */
  readonly isDelimited: boolean
}

const plain: Head = { requestId: null, retryAfterMs: null, encoding: null, isDelimited: true }
/** By the length of their names and two letters of them, which tells them from others (`content-digest`): one of them is in nearly every answer. */
const isDelimiting = (name: Buffer): boolean =>
  (name.length === 14 && isLetter(name[0], 'c') && isLetter(name[8], 'l')) ||
  (name.length === 17 && isLetter(name[0], 't') && isLetter(name[9], 'e'))
const isLetter = (byte: number | undefined, letter: string): boolean => ((byte ?? 0) | 0x20) === letter.charCodeAt(0)

/** By the length of their names: of no other header anything is made. */
const telling: Readonly<Record<number, string>> = { 11: 'retry-after', 12: 'x-request-id', 16: 'content-encoding' }

/** Reads raw headers: name, value, name, value, ... */
export function readHead(raw: readonly Buffer[], now: () => number): Head {
  let head = plain
  let isDelimited = false
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const written = raw[i]
    if (!written) continue
    if (isDelimiting(written)) isDelimited = true
    const name = telling[written.length]
    if (name === undefined || !isLetter(written[0], name)) continue
    if (written.toString('latin1').toLowerCase() !== name) continue
    const value = raw[i + 1]?.toString('latin1').trim() ?? ''
    if (name === 'retry-after') head = { ...head, retryAfterMs: parseRetryAfter(value, now()) }
    else if (name === 'content-encoding') head = { ...head, encoding: value.toLowerCase() }
    else if (value !== '') head = { ...head, requestId: value }
  }
  return isDelimited ? head : { ...head, isDelimited }
}

export function contentTypeOf(raw: readonly Buffer[]): string | null {
  const at = raw.findIndex(
    (name, i) => i % 2 === 0 && name.length === 12 && name.toString('latin1').toLowerCase() === 'content-type',
  )
  return at < 0 ? null : (raw[at + 1]?.toString('latin1').trim() ?? null)
}

/** Does it begin as JSON and break off? */
export function breaksOff(body: readonly Buffer[]): boolean {
  const bytes = withoutBom(inOne(body))
  return /^\s*[[{]/.test(bytes.toString('latin1', 0, 64)) && usageIn(bytes) === null
}

/** What an answer puts into the result (D17): its own bytes where they are JSON, on one line. They may lie where those of the next answer will. */
export function endingOf({ status, requestId, body, seconds }: Answered): Ending {
  const bytes = withoutBom(inOne(body))
  const good = status >= 200 && status < 300
  const heard = seconds === undefined || !good ? null : audioUsageIn(bytes, seconds)
  if (heard) return { kind: 'answered', status, requestId, body: [onOneLine(bytes)], ...heard }
  const usage = usageIn(bytes)
  if (usage) return { kind: 'answered', status, requestId, body: [onOneLine(bytes)], usage: good ? usage : noUsage }
  if (good)
    return {
      kind: 'unanswered',
      code: 'invalid_response',
      message: `The model answered ${status} with a body that is not UTF-8 JSON.`,
    }
  return { kind: 'answered', status, requestId, body: [wrapped(bytes, status)], usage: noUsage }
}

/** NOTE: one memory for all answers that come in pieces, one after the other: an ending is copied before there is another. Longer ones have their own. */
const jointBytes = 1 << 20
let joint = Buffer.alloc(0)

function inOne(pieces: readonly Buffer[]): Buffer {
  const [only] = pieces
  if (only && pieces.length === 1) return only
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
  if (bytes > jointBytes) return Buffer.concat(pieces)
  if (joint.length < bytes) joint = Buffer.allocUnsafeSlow(Math.min(jointBytes, 2 * bytes))
  let at = 0
  for (const piece of pieces) at += piece.copy(joint, at)
  return joint.subarray(0, bytes)
}

const withoutBom = (bytes: Buffer): Buffer =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

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
