import type { BatchId } from '../domain/ids.ts'
import { formatRanges, overlap, parseRanges, type Range } from '../domain/shard.ts'
import type { Sums } from '../domain/usage.ts'
import { int, text, type Db, type Queries, type Row } from './db.ts'
import { doneLines, type HeldFence } from './shards.ts'
import { sumColumns, sumsOf, sumValues } from './sums.ts'

/** An immutable piece of a shard's results in the blob store: `outputBytes` of output lines, then `errorBytes` of error lines. */
export interface Segment {
  readonly number: number
  readonly blob: string
  readonly outputBytes: number
  readonly errorBytes: number
  /** Ordinals of the lines within the shard. */
  readonly lines: readonly Range[]
  readonly sums: Sums
}

/** `lost`: the fence is no longer the shard's, and nothing was written. */
export type Committed = 'committed' | 'lost'

/**
 * Makes a segment count. Asked again under the same fence and number (the answer to the first commit was lost), it is `committed` and nothing changes.
 * @throws when a line of it is in another checkpoint: a fault of ours, never of the caller's timing.
 */
export function addCheckpoint(db: Db, held: HeldFence, segment: Segment): Promise<Committed> {
  return db.tx(async (tx) => {
    const state = await lockShard(tx, held)
    if (state === null) return 'lost'
    if (await hasSegment(tx, held, segment.number)) return 'committed'
    if (state !== 'held') return 'lost'
    if (overlap(await doneLines(tx, held.batchId, held.number), segment.lines))
      throw new Error(`shard ${held.number} of batch ${held.batchId}: a line is in two checkpoints`)
    await insertSegment(tx, held, segment)
    await sumShard(tx, held)
    return 'committed'
  })
}

/**
 * held -> done. The one segment that has all lines of the shard takes the place of its checkpoints: same lines, counts and usage.
 * @throws when it does not have every line once, or its counts are less than what it replaces.
 */
export function finishShard(db: Db, held: HeldFence, lines: number, segment: Segment): Promise<Committed> {
  return db.tx(async (tx) => {
    const state = await lockShard(tx, held)
    if (state === null) return 'lost'
    if (state === 'done') return (await hasSegment(tx, held, segment.number)) ? 'committed' : 'lost'
    if (state !== 'held') return 'lost'
    if (formatRanges(segment.lines) !== formatRanges([[0, lines - 1]]) || segment.sums.completed + segment.sums.failed !== lines)
      throw new Error(`shard ${held.number} of batch ${held.batchId}: the last segment does not have every line once`)
    await tx.query(`delete from segments where batch_id = $1 and shard = $2`, [held.batchId, held.number])
    await insertSegment(tx, held, segment)
    await tx.query(
      `update shards set state = 'done', owner = null, lease_until = 0, ${sumColumns.map((c, i) => `${c} = $${i + 3}`).join(', ')} where batch_id = $1 and number = $2`,
      [held.batchId, held.number, ...sumValues(segment.sums)],
    )
    return 'committed'
  })
}

/**
 * How a shard stands for who holds it under this fence: `held`; `committed`, when it was finished with this very segment (the answer was lost); `lost`, when
 * the fence is another's or the shard was closed.
 */
export async function standingOf(db: Queries, held: HeldFence, segment: number): Promise<'held' | Committed> {
  const [row] = await db.query(`select state from shards where batch_id = $1 and number = $2 and fence = $3`, [
    held.batchId,
    held.number,
    held.fence,
  ])
  if (row?.state === 'held') return 'held'
  return row?.state === 'done' && (await hasSegment(db, held, segment)) ? 'committed' : 'lost'
}

/** The shard's state while its row is locked by this transaction; null if its fence is another. */
async function lockShard(tx: Queries, { batchId, number, fence }: HeldFence): Promise<string | null> {
  const [row] = await tx.query(
    `update shards set fence = fence where batch_id = $1 and number = $2 and fence = $3 returning state`,
    [batchId, number, fence],
  )
  return row ? text(row, 'state') : null
}

async function hasSegment(tx: Queries, { batchId, number, fence }: HeldFence, segment: number): Promise<boolean> {
  const rows = await tx.query(`select 1 as one from segments where batch_id = $1 and shard = $2 and fence = $3 and number = $4`, [
    batchId,
    number,
    fence,
    segment,
  ])
  return rows.length === 1
}

async function insertSegment(tx: Queries, { batchId, number, fence }: HeldFence, s: Segment): Promise<void> {
  await tx.query(
    `insert into segments (batch_id, shard, fence, number, blob, output_bytes, error_bytes, lines, ${sumColumns.join(', ')})
     values ($1, $2, $3, $4, $5, $6, $7, $8, ${sumColumns.map((_, i) => `$${i + 9}`).join(', ')})`,
    [batchId, number, fence, s.number, s.blob, s.outputBytes, s.errorBytes, formatRanges(s.lines), ...sumValues(s.sums)],
  )
}

/** Sets the shard's sums from its checkpoints: replayable, never added to (I5). */
async function sumShard(tx: Queries, { batchId, number }: HeldFence): Promise<void> {
  const [row] = await tx.query(
    `select ${sumColumns.map((c) => `coalesce(sum(${c}), 0) as ${c}`).join(', ')} from segments where batch_id = $1 and shard = $2`,
    [batchId, number],
  )
  if (!row) return
  await tx.query(
    `update shards set ${sumColumns.map((c, i) => `${c} = $${i + 3}`).join(', ')} where batch_id = $1 and number = $2`,
    [batchId, number, ...sumValues(sumsOf(row))],
  )
}

const segmentOf = (row: Row): Segment => ({
  number: int(row, 'number'),
  blob: text(row, 'blob'),
  outputBytes: int(row, 'output_bytes'),
  errorBytes: int(row, 'error_bytes'),
  lines: parseRanges(text(row, 'lines')),
  sums: sumsOf(row),
})

/** The checkpoints of one shard, in the order in which they were made. */
export async function segmentsOfShard(db: Queries, batchId: BatchId, shard: number): Promise<Segment[]> {
  const rows = await db.query(`select * from segments where batch_id = $1 and shard = $2 order by fence, number`, [
    batchId,
    shard,
  ])
  return rows.map(segmentOf)
}

/** A shard at the time of composing: what of it ran, and where the results lie. */
export interface ClosedShard {
  readonly number: number
  readonly start: number
  readonly bytes: number
  readonly lines: number
  readonly segments: readonly Segment[]
}

/** Shards in order, a page at a time (`after`: the last number of the page before, -1 at first). */
export async function closedShards(db: Queries, batchId: BatchId, after: number, limit: number): Promise<ClosedShard[]> {
  const shards = await db.query(
    `select number, start, bytes, lines from shards where batch_id = $1 and number > $2 order by number limit $3`,
    [batchId, after, limit],
  )
  const last = shards.at(-1)
  if (!last) return []
  const segments = await db.query(
    `select * from segments where batch_id = $1 and shard > $2 and shard <= $3 order by shard, fence, number`,
    [batchId, after, int(last, 'number')],
  )
  return shards.map((row) => ({
    number: int(row, 'number'),
    start: int(row, 'start'),
    bytes: int(row, 'bytes'),
    lines: int(row, 'lines'),
    segments: segments.filter((s) => s.shard === row.number).map(segmentOf),
  }))
}

export interface ResultSizes {
  readonly outputBytes: number
  readonly errorBytes: number
  readonly ended: number
  readonly sums: Sums
}

/** What all checkpoints of a batch come to. */
export async function resultSizes(db: Queries, batchId: BatchId): Promise<ResultSizes> {
  const [row] = await db.query(
    `select coalesce(sum(output_bytes), 0) as output_bytes, coalesce(sum(error_bytes), 0) as error_bytes,
       ${sumColumns.map((c) => `coalesce(sum(${c}), 0) as ${c}`).join(', ')} from segments where batch_id = $1`,
    [batchId],
  )
  if (!row) throw new Error('a sum without a row')
  const sums = sumsOf(row)
  return { outputBytes: int(row, 'output_bytes'), errorBytes: int(row, 'error_bytes'), ended: sums.completed + sums.failed, sums }
}
