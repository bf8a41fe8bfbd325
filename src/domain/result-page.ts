/** What of a batch's results goes into the next page, and where the reader stands behind it. Pure: who reads rows and bytes is `api/result-shelf.ts`. */
import { isUnseen, openAtMost, unseen, type Cursor, type Seen } from './result-cursor.ts'

export type ResultKind = 'output' | 'error'

/** A checkpoint, or the one segment of a finished shard, or a shard's part of the two files: where its lines lie. */
export interface Span {
  readonly fence: number
  readonly number: number
  readonly output: Stretch
  readonly error: Stretch
}
/** A stretch of a blob or file. */
export interface Stretch {
  readonly name: string
  readonly start: number
  readonly bytes: number
}

/** What there is of a shard. */
export interface ShardResults {
  readonly shard: number
  /** In order. `whole`: one, which has all of the shard's lines from the first; else the checkpoints behind the last one that was seen. */
  readonly spans: readonly Span[]
  readonly whole: boolean
  /** Nothing is added to it any more, and the spans are all there is. */
  readonly final: boolean
}

/** A part of a page: bytes of one of a shard's two streams, from the byte `from` of that stream on. */
export interface Piece extends Stretch {
  readonly shard: number
  readonly kind: ResultKind
  readonly from: number
}

/** The shards that are looked at for a page: those that are open, then new ones, `unseen`. */
export const positionsOf = (cursor: Cursor): Seen[] => [
  ...cursor.open,
  ...Array.from({ length: openAtMost - cursor.open.length }, (_, i) => unseen(cursor.next + i)),
]

/** What was not delivered yet of a shard, in the order in which it is. */
export function piecesOf(seen: Seen, { shard, spans, whole }: ShardResults): Piece[] {
  const pieces: Piece[] = []
  const skip = whole ? { output: seen.output, error: seen.error } : { output: seen.outputAhead, error: seen.errorAhead }
  const from = { output: seen.output, error: seen.error }
  for (const span of spans)
    for (const kind of ['output', 'error'] as const) {
      const { name, start, bytes } = span[kind]
      const skipped = Math.min(skip[kind], bytes)
      skip[kind] -= skipped
      if (skipped === bytes) continue
      pieces.push({ shard, kind, from: from[kind], name, start: start + skipped, bytes: bytes - skipped })
      from[kind] += bytes - skipped
    }
  return pieces
}

/** The pieces of a page of about `budget` bytes. Of the last one `least` bytes are wanted, and what is left of the line that they end in. */
export function choosePieces(
  all: readonly Piece[],
  budget: number,
): { whole: Piece[]; cut: { piece: Piece; least: number } | null } {
  let left = budget
  for (const [i, piece] of all.entries()) {
    if (piece.bytes > left) return { whole: all.slice(0, i), cut: left === 0 ? null : { piece, least: left } }
    left -= piece.bytes
  }
  return { whole: [...all], cut: null }
}

/** Where the reader stands when these pieces were delivered, of the shards that were looked at. */
export function cursorAfter(cursor: Cursor, looked: readonly ShardResults[], delivered: readonly Piece[]): Cursor {
  const results = new Map(looked.map((one) => [one.shard, one]))
  const open: Seen[] = []
  let { next } = cursor
  for (const seen of positionsAmong(cursor, looked)) {
    const result = results.get(seen.shard)
    const now = result ? advance(seen, result, delivered) : { seen, ended: false }
    if (!now.ended) open.push(now.seen)
    if (now.ended || !isUnseen(now.seen)) next = Math.max(next, seen.shard + 1)
  }
  return { kind: cursor.kind, next, open: open.filter(({ shard }) => shard < next) }
}

/** Those that are open, and those of the new ones of which there is anything to say, with all between them: as many as a cursor may have open. */
const positionsAmong = (cursor: Cursor, looked: readonly ShardResults[]): Seen[] => {
  const known = new Set(cursor.open.map(({ shard }) => shard))
  return [...cursor.open, ...looked.filter(({ shard }) => !known.has(shard)).map(({ shard }) => unseen(shard))]
}

function advance(
  seen: Seen,
  { shard, spans, whole, final }: ShardResults,
  delivered: readonly Piece[],
): { seen: Seen; ended: boolean } {
  const more = (kind: ResultKind): number =>
    delivered.reduce((sum, piece) => (piece.shard === shard && piece.kind === kind ? sum + piece.bytes : sum), 0)
  const [moreOutput, moreError] = [more('output'), more('error')]
  let { fence, number } = seen
  let left = whole
    ? { output: seen.output + moreOutput, error: seen.error + moreError }
    : { output: seen.outputAhead + moreOutput, error: seen.errorAhead + moreError }
  let passed = 0
  for (const span of spans) {
    if (left.output < span.output.bytes || left.error < span.error.bytes) break
    left = { output: left.output - span.output.bytes, error: left.error - span.error.bytes }
    ;({ fence, number } = span)
    passed++
  }
  const ended = final && passed === spans.length
  const totals = { output: seen.output + moreOutput, error: seen.error + moreError }
  const ahead = { outputAhead: left.output, errorAhead: left.error }
  if (whole) return { seen: { ...seen, ...totals }, ended }
  return { seen: { shard, fence, number, ...totals, ...ahead }, ended }
}
