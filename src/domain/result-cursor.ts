/**
 * How far a reader of a batch's results has come (spec: "Results while it runs"). Of a shard, the output lines and the error lines are two streams that only
 * grow at their ends: a new checkpoint has a higher (fence, number), a finished shard's one segment is the same bytes in one piece, and the two files are the
 * streams of all shards, one behind the other. So what was delivered of a shard is two lengths, wherever the bytes lie when they are asked for again.
 */

/** What was delivered of one shard. */
export interface Seen {
  readonly shard: number
  /** The last checkpoint that was delivered whole: so that only later ones are looked at. 0, 0: none. */
  readonly fence: number
  readonly number: number
  /** Bytes delivered of its output and of its error lines. */
  readonly output: number
  readonly error: number
  /** Those of them that are of checkpoints behind that one. */
  readonly outputAhead: number
  readonly errorAhead: number
}

/** Every shard below `next` was delivered to its end but those in `open`, of the others nothing. */
export interface Cursor {
  /** `files`: of a batch whose layout nobody wrote down. The two files are then its one shard. */
  readonly kind: 'shards' | 'files'
  readonly next: number
  /** By number. At most `openAtMost`. */
  readonly open: readonly Seen[]
}

/** Shards that are delivered in part at one time: what bounds a cursor (about 2 kB) and the work of a page. */
export const openAtMost = 128

export const start = (kind: Cursor['kind']): Cursor => ({ kind, next: 0, open: [] })
export const isStart = ({ next, open }: Cursor): boolean => next === 0 && open.length === 0

export const unseen = (shard: number): Seen => ({
  shard,
  fence: 0,
  number: 0,
  output: 0,
  error: 0,
  outputAhead: 0,
  errorAhead: 0,
})
export const isUnseen = ({ fence, output, error }: Seen): boolean => fence === 0 && output === 0 && error === 0

const kinds = ['shards', 'files'] as const
const markBytes = 4

/** The mark of a batch in its cursors: one of another batch is no position here. */
const markOf = (batchId: string): Buffer => Buffer.from(batchId.replaceAll('-', '').slice(-2 * markBytes), 'hex')

/** As the opaque text that a reader gives back. */
export function formatCursor({ kind, next, open }: Cursor, batchId: string): string {
  const numbers = [next]
  let before = 0
  for (const seen of open) {
    const { shard, fence, number, output, error, outputAhead, errorAhead } = seen
    numbers.push((shard - before) * 2 + (isUnseen(seen) ? 0 : 1))
    if (!isUnseen(seen)) numbers.push(fence, number, output, error, outputAhead, errorAhead)
    before = shard
  }
  return Buffer.from([kinds.indexOf(kind), ...markOf(batchId), ...numbers.flatMap(varint)]).toString('base64url')
}

/** null: not one of ours, or of another batch. */
export function parseCursor(text: string, batchId: string): Cursor | null {
  if (!/^[\w-]{8,8192}$/.test(text)) return null
  const bytes = Buffer.from(text, 'base64url')
  const kind = kinds[bytes[0] ?? -1]
  const numbers = varints(bytes.subarray(1 + markBytes))
  if (!kind || !numbers || !bytes.subarray(1, 1 + markBytes).equals(markOf(batchId))) return null
  const [next = 0, ...rest] = numbers
  const open: Seen[] = []
  for (let i = 0, shard = 0; i < rest.length;) {
    const head = rest[i++] ?? 0
    shard += Math.floor(head / 2)
    if (head % 2 === 0) {
      open.push(unseen(shard))
      continue
    }
    const [fence, number, output, error, outputAhead, errorAhead] = rest.slice(i, (i += 6))
    if (fence === undefined || number === undefined || output === undefined || error === undefined) return null
    if (outputAhead === undefined || errorAhead === undefined) return null
    open.push({ shard, fence, number, output, error, outputAhead, errorAhead })
  }
  const rising = open.every((seen, i) => seen.shard > (open[i - 1]?.shard ?? -1) && seen.shard < next)
  return rising && open.length <= openAtMost ? { kind, next, open } : null
}

/** Seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return [...bytes, rest]
}

function varints(bytes: Uint8Array): number[] | null {
  const numbers: number[] = []
  let [value, scale] = [0, 1]
  for (const byte of bytes) {
    value += (byte % 128) * scale
    scale *= 128
    if (!Number.isSafeInteger(value)) return null
    if (byte > 127) continue
    numbers.push(value)
    ;[value, scale] = [0, 1]
  }
  return scale === 1 ? numbers : null
}
