import type { BatchId } from '../domain/ids.ts'
import { formatRanges, overlap, parseRanges, type Range } from '../domain/shard.ts'
import { addSums, noSums, type Sums } from '../domain/usage.ts'
import { int, text, type Db, type Queries, type Row } from './db.ts'
import { bodyOf, doneLines, type HeldFence } from './shards.ts'
import { sumColumns, sumsOf, sumValues } from './sums.ts'
import { parameters, rowsOfValues } from './values.ts'

/** An immutable piece of a shard's results: `outputBytes` of output lines, then `errorBytes` of error lines. */
export interface Segment {
  readonly number: number
  /** The name of its blob; or the bytes themselves, which then lie in the row. */
  readonly place: string | Buffer
  readonly outputBytes: number
  readonly errorBytes: number
  /** Ordinals of the lines within the shard. */
  readonly lines: readonly Range[]
  readonly sums: Sums
}

/** A stretch of a segment. */
export interface Part {
  readonly place: Segment['place']
  readonly start: number
  readonly bytes: number
}
export type Stored = Pick<Segment, 'place' | 'outputBytes' | 'errorBytes'>
export const outputOf = ({ place, outputBytes }: Stored): Part => ({ place, start: 0, bytes: outputBytes })
export const errorsOf = ({ place, outputBytes, errorBytes }: Stored): Part => ({ place, start: outputBytes, bytes: errorBytes })

/** `lost`: the fence is no longer the shard's, and nothing was written. */
export type Committed = 'committed' | 'lost'

/**
 * Makes a segment count. Asked again under the same fence and number (the answer to the first commit was lost), it is `committed` and nothing changes.
 * @throws when a line of it is in another checkpoint: a fault of ours, never of the caller's timing.
 */
export function addCheckpoint(db: Db, held: HeldFence, segment: Segment): Promise<Committed> {
  return db.tx(async (tx) => {
    const state = (await lockShards(tx, [held])).get(keyOf(held))
    if (state === undefined) return 'lost'
    if (await hasSegment(tx, held, segment.number)) return 'committed'
    if (state !== 'held') return 'lost'
    if (overlap(await doneLines(tx, held.batchId, held.number), segment.lines))
      throw new Error(`shard ${held.number} of batch ${held.batchId}: a line is in two checkpoints`)
    await insertSegments(tx, [{ held, segment }])
    await sumShard(tx, held)
    return 'committed'
  })
}

export interface Finish {
  readonly held: HeldFence
  readonly segment: Segment
}

/** @throws when it does not have every line of its shard once, or not a result for each. */
export function assertWhole({ batchId, number }: HeldFence, lines: number, segment: Segment): void {
  if (formatRanges(segment.lines) !== formatRanges([[0, lines - 1]]) || segment.sums.completed + segment.sums.failed !== lines)
    throw new Error(`shard ${number} of batch ${batchId}: the last segment does not have every line once`)
}

/**
 * held -> done, for shards whose holders saw to it that the one segment has every line once (`assertWhole`). It takes the place of the shard's checkpoints: same
 * lines, counts and usage. What the row had of the plan is not needed any more.
 */
export async function finishShards(tx: Queries, finishes: readonly Finish[]): Promise<Committed[]> {
  const fences = finishes.map(({ held }) => held)
  const states = await lockShards(tx, fences)
  const answers: Committed[] = []
  const ending: Finish[] = []
  for (const one of finishes) {
    const state = states.get(keyOf(one.held))
    if (state === 'held') ending.push(one)
    answers.push(
      state === 'held' || (state === 'done' && (await hasSegment(tx, one.held, one.segment.number))) ? 'committed' : 'lost',
    )
  }
  if (ending.length === 0) return answers
  const shards = ending.flatMap(({ held }) => [held.batchId, held.number])
  const theirs = `(values ${rowsOfValues(ending.length, 2, [1])})`
  await tx.query(`delete from segments where (batch_id, shard) in ${theirs}`, shards)
  await insertSegments(tx, ending)
  await tx.query(
    `update shards set state = 'done', owner = null, lease_until = 0, body = null, ${sumColumns.map((c) => `${c} = g.${c}`).join(', ')}
     from segments g where g.batch_id = shards.batch_id and g.shard = shards.number and (shards.batch_id, shards.number) in ${theirs}`,
    shards,
  )
  return answers
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

async function hasSegment(tx: Queries, { batchId, number, fence }: HeldFence, segment: number): Promise<boolean> {
  const rows = await tx.query(`select 1 as one from segments where batch_id = $1 and shard = $2 and fence = $3 and number = $4`, [
    batchId,
    number,
    fence,
    segment,
  ])
  return rows.length === 1
}

const keyOf = ({ batchId, number, fence }: HeldFence): string => `${batchId}/${number}/${fence}`

/** The states of those shards whose fences these are; their rows are locked by this transaction. */
async function lockShards(tx: Queries, fences: readonly HeldFence[]): Promise<Map<string, string>> {
  const rows = await tx.query(
    `update shards set fence = fence where (batch_id, number, fence) in (values ${rowsOfValues(fences.length, 3, [1, 2])})
     returning batch_id, number, fence, state`,
    fences.flatMap(({ batchId, number, fence }) => [batchId, number, fence]),
  )
  return new Map(
    rows.map((row) => [
      keyOf({ batchId: text(row, 'batch_id') as BatchId, number: int(row, 'number'), fence: int(row, 'fence') }),
      text(row, 'state'),
    ]),
  )
}

const segmentColumns = [
  'batch_id',
  'shard',
  'fence',
  'number',
  'blob',
  'body',
  'output_bytes',
  'error_bytes',
  'lines',
  ...sumColumns,
]

/** NOTE: `blob` may not be null in the first schema; of a segment that lies in its row it is empty. */
async function insertSegments(tx: Queries, segments: readonly Finish[]): Promise<void> {
  await tx.query(
    `insert into segments (${segmentColumns.join(', ')}) values ${rowsOfValues(segments.length, segmentColumns.length)}`,
    segments.flatMap(({ held: { batchId, number, fence }, segment: s }) => [
      batchId,
      number,
      fence,
      s.number,
      typeof s.place === 'string' ? s.place : '',
      typeof s.place === 'string' ? null : s.place.toString('base64'),
      s.outputBytes,
      s.errorBytes,
      formatRanges(s.lines),
      ...sumValues(s.sums),
    ]),
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
  place: bodyOf(row) ?? text(row, 'blob'),
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
  /** What the row has of the plan. */
  readonly body: Buffer | null
  /** Can it still be added to? */
  readonly open: boolean
  readonly segments: readonly Segment[]
}

/** Shards in order, a page at a time (`after`: the last number of the page before, -1 at first). */
export async function closedShards(db: Queries, batchId: BatchId, after: number, limit: number): Promise<ClosedShard[]> {
  const shards = await db.query(
    `select number, start, bytes, lines, body, state from shards where batch_id = $1 and number > $2 order by number limit $3`,
    [batchId, after, limit],
  )
  const last = shards.at(-1)
  if (!last) return []
  const segments = await db.query(
    `select * from segments where batch_id = $1 and shard > $2 and shard <= $3 order by shard, fence, number`,
    [batchId, after, int(last, 'number')],
  )
  return shards.map((row) => closedShardOf(row, segments))
}

/** All shards of each of these batches, in order: for batches of few lines. */
export async function allShards(db: Queries, batchIds: readonly BatchId[]): Promise<ClosedShard[][]> {
  const these = `(${parameters(batchIds.length)})`
  const shards = await db.query(
    `select batch_id, number, start, bytes, lines, body, state from shards where batch_id in ${these} order by batch_id, number`,
    batchIds,
  )
  const segments = await db.query(
    `select * from segments where batch_id in ${these} order by batch_id, shard, fence, number`,
    batchIds,
  )
  return batchIds.map((id) => {
    const its = segments.filter((row) => row.batch_id === id)
    return shards.filter((row) => row.batch_id === id).map((row) => closedShardOf(row, its))
  })
}

const closedShardOf = (row: Row, segments: readonly Row[]): ClosedShard => ({
  number: int(row, 'number'),
  start: int(row, 'start'),
  bytes: int(row, 'bytes'),
  lines: int(row, 'lines'),
  body: bodyOf(row),
  open: row.state === 'waiting' || row.state === 'held',
  segments: segments.filter((s) => s.shard === row.number).map(segmentOf),
})

export interface ResultSizes {
  readonly outputBytes: number
  readonly errorBytes: number
  readonly ended: number
  readonly sums: Sums
  /** Is there a shard that could still be added to? */
  readonly open: boolean
}

/** What the checkpoints of all shards of a batch come to. */
export function sizesOf(shards: readonly ClosedShard[]): ResultSizes {
  const segments = shards.flatMap((shard) => shard.segments)
  const total = (of: (s: Segment) => number) => segments.reduce((n, s) => n + of(s), 0)
  const sums = segments.reduce<Sums>((sum, s) => addSums(sum, s.sums), noSums)
  return {
    outputBytes: total((s) => s.outputBytes),
    errorBytes: total((s) => s.errorBytes),
    ended: sums.completed + sums.failed,
    sums,
    open: shards.some((shard) => shard.open),
  }
}

/** The same, summed by the database. */
export async function resultSizes(db: Queries, batchId: BatchId): Promise<ResultSizes> {
  const [row] = await db.query(
    `select coalesce(sum(output_bytes), 0) as output_bytes, coalesce(sum(error_bytes), 0) as error_bytes,
       ${sumColumns.map((c) => `coalesce(sum(${c}), 0) as ${c}`).join(', ')},
       (select count(*) from shards where batch_id = $1 and state = 'waiting') + (select count(*) from shards where batch_id = $1 and state = 'held') as open
     from segments where batch_id = $1`,
    [batchId],
  )
  if (!row) throw new Error('a sum without a row')
  const sums = sumsOf(row)
  return {
    outputBytes: int(row, 'output_bytes'),
    errorBytes: int(row, 'error_bytes'),
    ended: sums.completed + sums.failed,
    sums,
    open: int(row, 'open') > 0,
  }
}
