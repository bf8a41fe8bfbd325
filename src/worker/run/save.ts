import type { Blobs } from '../../blobs/blobs.ts'
import type { HeldFence } from '../../store/shards.ts'
import {
  addCheckpoint,
  assertWhole,
  segmentsOfShard,
  standingOf,
  type Committed,
  type Finish,
  type Segment,
} from '../../store/segments.ts'
import type { Db } from '../../store/db.ts'
import type { Range, ShardLease } from '../../domain/shard.ts'
import { addSums } from '../../domain/usage.ts'
import type { Drained } from './held-shard.ts'
import { restName, segmentName } from '../names.ts'
import { writeWhole } from './whole-segment.ts'

export interface SaveParts {
  readonly db: Db
  readonly scratch: Blobs
  /** Commits the end of a shard, with those that end at the same time. */
  readonly finish: (finish: Finish) => Promise<Committed>
  /** Results of a short shard, whose plan lies in its row, lie in a row too if they are at most so long. */
  readonly shortBytes: number
  /** Checkpoints of so many bytes are not written again at the end of their shard. */
  readonly bigBytes: number
}

const fenceOf = (lease: ShardLease): HeldFence => ({ batchId: lease.batchId, number: lease.number, fence: lease.fence })

/**
 * Blob first, then the row that makes it count (I3). Can be done again with the same number: the blob is replaced by the same bytes, the checkpoint found.
 */
export async function saveCheckpoint(
  { db, scratch }: SaveParts,
  lease: ShardLease,
  project: string,
  number: number,
  drained: Drained,
  signal: AbortSignal,
): Promise<Committed> {
  const blob = segmentName(project, lease, number)
  await scratch.put(blob, [...drained.outputs, ...drained.errors], signal)
  return addCheckpoint(db, fenceOf(lease), segmentOf(blob, number, drained))
}

/**
 * The end of a shard: everything that its checkpoints have and what was drained last, as one segment; then `done`. The blobs that it replaces are garbage
 * from then on and deleted at once. Where there are checkpoints it is asked first how the shard stands: after a commit whose answer was lost they are the
 * segment itself, which must not be written again over its own bytes (I4).
 */
export async function saveLast(
  { db, scratch, finish, shortBytes, bigBytes }: SaveParts,
  lease: ShardLease,
  project: string,
  number: number,
  drained: Drained,
  signal: AbortSignal,
): Promise<Committed> {
  const alone = number === 0 && lease.done.length === 0
  const standing = alone ? 'held' : await standingOf(db, fenceOf(lease), number)
  if (standing !== 'held') return standing
  const earlier = alone ? [] : await segmentsOfShard(db, lease.batchId, lease.number)
  const all: Range[] = [[0, lease.lines - 1]]
  const covered = countLines([...earlier.flatMap((s) => s.lines), ...drained.lines])
  if (covered !== lease.lines)
    throw new Error(`shard ${lease.number} of batch ${lease.batchId}: ${covered} of ${lease.lines} lines have a result`)
  const short = alone && typeof lease.plan !== 'string' && drained.outputBytes + drained.errorBytes <= shortBytes
  const names = { name: segmentName(project, lease, number), rest: restName(project, lease, number) }
  const place = short ? Buffer.concat([...drained.outputs, ...drained.errors]) : names.name
  const last = segmentOf(place, number, drained)
  const whole: Segment = earlier.reduce(
    (sum, s) => ({
      ...sum,
      outputBytes: sum.outputBytes + s.outputBytes,
      errorBytes: sum.errorBytes + s.errorBytes,
      sums: addSums(sum.sums, s.sums),
    }),
    { ...last, lines: all },
  )
  assertWhole(fenceOf(lease), lease.lines, whole)
  const replaced = short ? [] : await writeWhole({ scratch, bigBytes, signal }, names, earlier, drained)
  const committed = await finish({ held: fenceOf(lease), segment: whole })
  if (committed === 'committed') await scratch.delete(replaced.filter((name) => name !== place)).catch(() => {}) // NOTE: the sweep finds what stays
  return committed
}

const countLines = (ranges: readonly Range[]): number => ranges.reduce((n, [a, b]) => n + b - a + 1, 0)

const segmentOf = (place: Segment['place'], number: number, d: Drained): Segment => ({
  number,
  place,
  outputBytes: d.outputBytes,
  errorBytes: d.errorBytes,
  lines: d.lines,
  sums: d.sums,
})
