import type { BlobRange, Blobs } from '../../blobs/blobs.ts'
import type { BatchId } from '../../domain/ids.ts'
import { resultHead, resultIdPrefix, neverRan } from '../../domain/result.ts'
import type { ShardLease } from '../../domain/shard.ts'
import type { Db } from '../../store/db.ts'
import { closedShards, errorsOf, outputOf, type ClosedShard, type Part, type Segment } from '../../store/segments.ts'
import { makeSink } from '../run/sink.ts'
import { openWindow } from '../run/window.ts'
import { readAhead } from '../read-ahead.ts'
import type { ResultFile } from './results.ts'

const shardsAtOnce = 100

/** The shards of a batch in order, read anew at each call. */
export type Shards = () => AsyncIterable<ClosedShard> | Iterable<ClosedShard>

/** Page by page. */
export async function* shardsOf(db: Db, batchId: BatchId): AsyncGenerator<ClosedShard> {
  for (let after = -1; ;) {
    const shards = await closedShards(db, batchId, after, shardsAtOnce)
    yield* shards
    const last = shards.at(-1)
    if (!last || shards.length < shardsAtOnce) return
    after = last.number
  }
}

/** The bytes of the output file: what the committed rows say, shard after shard, and nothing else. */
export const outputFile = (scratch: Blobs, shards: Shards): ResultFile => ({
  stream: (signal) => readAhead(scratch, partsOf(shards(), outputOf), signal),
  stretches: () => stretchesOf(partsOf(shards(), outputOf)),
})

export interface Left {
  readonly batchId: BatchId
  readonly planBlob: string | null
  /** Why lines never ran. */
  readonly why: 'cancelled' | 'expired'
}

/** The bytes of the error file: the lines that failed, then those that never ran, if there are such. */
export const errorFile = (scratch: Blobs, shards: Shards, left: Left | null): ResultFile => ({
  async *stream(signal) {
    yield* readAhead(scratch, partsOf(shards(), errorsOf), signal)
    if (left) for await (const shard of shards()) yield* linesThatNeverRan(scratch, shard, left, signal)
  },
  stretches: async () => (left ? null : stretchesOf(partsOf(shards(), errorsOf))),
})

async function* partsOf(shards: ReturnType<Shards>, of: (segment: Segment) => Part): AsyncGenerator<Part> {
  for await (const shard of shards) yield* shard.segments.map(of).filter(({ bytes }) => bytes > 0)
}

async function stretchesOf(parts: AsyncIterable<Part>): Promise<BlobRange[] | null> {
  const found: BlobRange[] = []
  for await (const { place, start, bytes } of parts) {
    if (typeof place !== 'string') return null
    found.push({ name: place, start, bytes })
  }
  return found
}

async function* linesThatNeverRan(
  scratch: Blobs,
  shard: ClosedShard,
  { batchId, planBlob, why }: Left,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const done = new Uint8Array(shard.lines)
  for (const [first, last] of shard.segments.flatMap((s) => s.lines)) done.fill(1, first, last + 1)
  if (!done.includes(0)) return
  const plan = shard.body ?? planBlob
  if (plan === null) throw new Error(`shard ${shard.number} of batch ${batchId} has no plan`)
  const lease: ShardLease = {
    batchId,
    plan,
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
      yield* sink.take().pieces
      await window.fill(signal)
      continue
    }
    if (done[ordinal++]) continue
    sink.text(resultHead(prefix, line.number))
    sink.copy(line.customId)
    sink.text(neverRan[why])
  }
  if (ordinal < shard.lines) throw new Error(`shard ${shard.number} of batch ${batchId} is shorter than its row says`)
  yield* sink.take().pieces
}
