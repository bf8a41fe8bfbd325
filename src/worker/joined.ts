import type { BlobRange, Blobs } from '../blobs/blobs.ts'
import type { BatchId } from '../domain/ids.ts'
import { resultHead, resultIdPrefix, neverRan } from '../domain/result.ts'
import type { ShardLease } from '../domain/shard.ts'
import type { Db } from '../store/db.ts'
import { closedShards, type ClosedShard, type Segment } from '../store/segments.ts'
import { makeSink } from './sink.ts'
import { openWindow } from './window.ts'

const shardsAtOnce = 100
const pieceBytes = 1024 * 1024
/** One that was yielded, the others being read. */
const piecesAtHand = 6

interface Source {
  readonly db: Db
  readonly scratch: Blobs
}

/** The bytes of the output file: what the committed rows say, shard after shard, and nothing else. */
export async function* outputLines({ db, scratch }: Source, batchId: BatchId, signal: AbortSignal): AsyncGenerator<Buffer> {
  yield* readAhead(
    scratch,
    stretches(db, batchId, (s) => ({ name: s.blob, start: 0, bytes: s.outputBytes })),
    signal,
  )
}

/** The bytes of the error file: the lines that failed, then those that never ran. */
export async function* errorLines(
  source: Source,
  batchId: BatchId,
  planBlob: string,
  why: 'cancelled' | 'expired',
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  yield* readAhead(
    source.scratch,
    stretches(source.db, batchId, (s) => ({ name: s.blob, start: s.outputBytes, bytes: s.errorBytes })),
    signal,
  )
  for await (const shard of shardsOf(source.db, batchId))
    yield* linesThatNeverRan(source.scratch, batchId, planBlob, shard, why, signal)
}

async function* shardsOf(db: Db, batchId: BatchId): AsyncGenerator<ClosedShard> {
  for (let after = -1; ;) {
    const shards = await closedShards(db, batchId, after, shardsAtOnce)
    const last = shards.at(-1)
    if (!last) return
    yield* shards
    after = last.number
  }
}

async function* stretches(db: Db, batchId: BatchId, of: (segment: Segment) => BlobRange): AsyncGenerator<BlobRange> {
  for await (const shard of shardsOf(db, batchId)) yield* shard.segments.map(of)
}

/** Reads stretches in order, in pieces, a few of them ahead, into the same few stretches of memory: a piece is good until the next is asked for. */
async function* readAhead(blobs: Blobs, ranges: AsyncIterable<BlobRange>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const memory: Buffer[] = []
  const ahead: Promise<Buffer>[] = []
  let asked = 0
  try {
    for await (const { name, start, bytes } of ranges)
      for (let at = 0; at < bytes; at += pieceBytes) {
        const into = (memory[asked++ % piecesAtHand] ??= Buffer.allocUnsafeSlow(pieceBytes))
        const piece = blobs.readRange({ name, start: start + at, bytes: Math.min(pieceBytes, bytes - at) }, signal, into)
        piece.catch(() => {}) // NOTE: told when its turn comes; until then it must not count as unhandled
        ahead.push(piece)
        const first = ahead.length === piecesAtHand ? ahead.shift() : undefined
        if (first) yield await first
      }
    for (const piece of ahead) yield await piece
  } finally {
    await Promise.allSettled(ahead)
  }
}

async function* linesThatNeverRan(
  scratch: Blobs,
  batchId: BatchId,
  planBlob: string,
  shard: ClosedShard,
  why: 'cancelled' | 'expired',
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const done = new Uint8Array(shard.lines)
  for (const [first, last] of shard.segments.flatMap((s) => s.lines)) done.fill(1, first, last + 1)
  if (!done.includes(0)) return
  const lease: ShardLease = {
    batchId,
    planBlob,
    number: shard.number,
    offset: shard.start,
    bytes: shard.bytes,
    lines: shard.lines,
    fence: 0,
    done: [],
  }
  const window = openWindow(scratch, lease)
  const prefix = resultIdPrefix(batchId)
  const sink = makeSink()
  let ordinal = 0
  for (;;) {
    const line = window.next()
    if (line === null) break
    if (line === undefined) {
      yield* sink.take()
      await window.fill(signal)
      continue
    }
    if (done[ordinal++]) continue
    sink.text(resultHead(prefix, line.number))
    sink.copy(line.customId)
    sink.text(neverRan[why])
  }
  if (ordinal < shard.lines) throw new Error(`shard ${shard.number} of batch ${batchId} is shorter than its row says`)
  yield* sink.take()
}
