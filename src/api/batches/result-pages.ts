import { invalid } from '../../domain/errors.ts'
import type { BatchId } from '../../domain/ids.ts'
import { isStart, parseCursor, start, unseen, type Cursor } from '../../domain/result-cursor.ts'
import { choosePieces, cursorAfter, piecesOf, type Piece } from '../../domain/result-page.ts'
import { cannotBeRead } from '../files/find-content.ts'
import type { Shelf } from './result-shelf.ts'

/** A page of results: whole lines, each of which no other page of this reader has. */
export interface ResultPage {
  readonly bytes: number
  readonly cursor: Cursor
  /** There is more behind it, or may be. */
  readonly incomplete: boolean
  read(): AsyncGenerator<Buffer>
}

/** A blob may have gone since its row was read, into a finished shard's one segment or into the files: then it is looked for anew, so often. */
const looksAtMost = 5

/** @throws {ApiError} 400, when this is no position in these results */
export function positionIn(shelf: Shelf, batchId: BatchId, after: string | undefined): Cursor {
  const cursor = after === undefined ? start(shelf.kind) : parseCursor(after, batchId)
  if (!cursor)
    throw invalid('after', "Invalid 'after': give the x-next-after of the page before, as it was, or nothing to begin anew.")
  if (isStart(cursor)) return start(shelf.kind)
  if (cursor.kind !== shelf.kind)
    throw invalid(
      'after',
      "Invalid 'after': this position was given while the batch ran, and an older version of the server has ended it. Begin anew, without 'after'.",
    )
  return cursor
}

/** About `budget` bytes of what comes behind a position: at least a line if there is one, and at most what is left of one more. */
export async function nextPage(open: () => Promise<Shelf>, from: (shelf: Shelf) => Cursor, budget: number): Promise<ResultPage> {
  for (let looks = 1; ; looks++) {
    const shelf = await open()
    const cursor = from(shelf)
    const looked = await shelf.look(cursor)
    const seen = new Map(cursor.open.map((one) => [one.shard, one]))
    const all = looked.flatMap((one) => piecesOf(seen.get(one.shard) ?? unseen(one.shard), one))
    const { whole, cut } = choosePieces(all, budget)
    try {
      const pieces = cut ? [...whole, { ...cut.piece, bytes: await lineEnd(shelf, cut.piece, cut.least) }] : whole
      const next = cursorAfter(cursor, looked, pieces)
      return {
        bytes: pieces.reduce((sum, { bytes }) => sum + bytes, 0),
        cursor: next,
        incomplete: shelf.isLeft(next),
        async *read() {
          for (const piece of pieces) yield* bytesOf(open, shelf, piece)
        },
      }
    } catch (error) {
      if (!cannotBeRead(error) || looks >= looksAtMost) throw error
    }
  }
}

/** Bytes of a piece to the end of the line in which its byte `least` lies. */
async function lineEnd(shelf: Shelf, { name, start: at, bytes }: Piece, least: number): Promise<number> {
  let end = least - 1
  for await (const chunk of shelf.read({ name, start: at + end, bytes: bytes - end })) {
    const found = chunk.indexOf(0x0a)
    if (found >= 0) return end + found + 1
    end += chunk.length
  }
  return bytes
}

/** The bytes of a piece, wherever they lie by the time. */
async function* bytesOf(open: () => Promise<Shelf>, first: Shelf, piece: Piece): AsyncGenerator<Buffer> {
  let shelf = first
  let rest: readonly Piece[] = [piece]
  let read = 0
  for (let looks = 1; read < piece.bytes; looks++) {
    try {
      for (const one of rest)
        for await (const chunk of shelf.read(one)) {
          read += chunk.length
          yield chunk
        }
      if (read < piece.bytes) throw new Error('results are shorter than their rows say')
    } catch (error) {
      if (!cannotBeRead(error) || looks >= looksAtMost) throw error
      shelf = await open()
      rest = await restOf(shelf, piece, read)
    }
  }
}

/** Where what was not read of a piece lies now: the same bytes of the same stream of its shard. */
async function restOf(shelf: Shelf, { shard, kind, from, bytes }: Piece, read: number): Promise<Piece[]> {
  const lengths =
    kind === 'output' ? { output: from + read, outputAhead: from + read } : { error: from + read, errorAhead: from + read }
  const seen = { ...unseen(shard), ...lengths }
  const [result] = await shelf.look({ kind: shelf.kind, next: shard + 1, open: [seen] })
  const pieces = result?.shard === shard ? piecesOf(seen, result).filter((one) => one.kind === kind) : []
  return choosePieces(pieces, bytes - read).whole.concat(lastOf(pieces, bytes - read))
}

/** Of the piece that is longer than what is left to read: so much. */
function lastOf(pieces: readonly Piece[], wanted: number): Piece[] {
  const { cut } = choosePieces(pieces, wanted)
  return cut ? [{ ...cut.piece, bytes: cut.least }] : []
}
