import type { BatchId, ProjectId } from '../domain/ids.ts'
import { parseRanges, type Range, type ShardLease } from '../domain/shard.ts'
import { int, intOrNull, text, textOrNull, type Db, type Queries, type Row } from './db.ts'
import { parameters } from './values.ts'

/** A batch that runs, as a worker sees it when it looks for something to send. */
export interface OpenBatch {
  readonly id: BatchId
  readonly projectId: ProjectId
  readonly model: string
  readonly endpoint: string
  /** Until the end of its window, by the database's clock. */
  readonly leftMs: number
  /** null: its plan is short, and lies in the rows of its shards. */
  readonly planBlob: string | null
  readonly lines: number
  /** That its lines are taken for, all together. */
  readonly tokens: number
  /** Of its project, beside the others. */
  readonly weight: number
  /** It would miss its window at the present pace. */
  readonly atRisk: boolean
  /** Are there shards that nobody holds? */
  readonly waiting: boolean
}

/** The models of the batches that run. */
export async function openModels(db: Queries): Promise<string[]> {
  const rows = await db.query(`select model from batches where status = 'in_progress' and model is not null group by model`)
  return rows.map((row) => JSON.parse(text(row, 'model')) as string)
}

const columns = `b.id, b.project_id, b.model, b.endpoint, b.plan_blob, b.total, b.enqueued_tokens, b.at_risk, b.expires_at - {now} as left_ms,
  (select p.weight from projects p where p.id = b.project_id) as weight,
  case when exists (select 1 from shards s where s.batch_id = b.id and s.state = 'waiting')
    or exists (select 1 from shards s where s.batch_id = b.id and s.state = 'held' and s.lease_until < {now}) then 1 else 0 end as waiting`

/**
 * Batches of one model that run and are within their window, oldest first. Where there are more than `limit`, the oldest of each project is among them all the
 * same: thousands of one project hide nobody else's.
 */
export async function openBatches(db: Queries, model: string, limit: number): Promise<OpenBatch[]> {
  const rows = await db.query(
    `select ${columns} from batches b where b.status = 'in_progress' and b.model = $1 and b.expires_at > {now} order by b.id limit $2`,
    [JSON.stringify(model), limit],
  )
  if (rows.length < limit) return rows.map(openBatchOf)
  const seen = new Set(rows.map((row) => row.id))
  const oldest = await db.query(
    `select ${columns} from batches b where b.id in (
       select min(o.id) from batches o where o.status = 'in_progress' and o.model = $1 and o.expires_at > {now} group by o.project_id)`,
    [JSON.stringify(model)],
  )
  return [...rows, ...oldest.filter((row) => !seen.has(row.id))].map(openBatchOf)
}

const openBatchOf = (row: Row): OpenBatch => ({
  id: text(row, 'id') as BatchId,
  projectId: text(row, 'project_id') as ProjectId,
  model: JSON.parse(text(row, 'model')) as string,
  endpoint: text(row, 'endpoint'),
  leftMs: int(row, 'left_ms'),
  planBlob: textOrNull(row, 'plan_blob'),
  lines: int(row, 'total'),
  tokens: int(row, 'enqueued_tokens'),
  weight: intOrNull(row, 'weight') ?? 1,
  atRisk: int(row, 'at_risk') === 1,
  waiting: row.waiting === 1 || row.waiting === '1',
})

/** Of these batches, those that must stop, and why: a cancel is recorded, or the window has ended (or the batch is over altogether). */
export async function stoppedBatches(db: Queries, ids: readonly BatchId[]): Promise<Map<string, 'cancelled' | 'expired'>> {
  const rows =
    ids.length === 0
      ? []
      : await db.query(
          `select id, status from batches where id in (${parameters(ids.length)}) and (status <> 'in_progress' or expires_at <= {now})`,
          ids,
        )
  return new Map(
    rows.map((row) => [text(row, 'id'), row.status === 'cancelling' || row.status === 'cancelled' ? 'cancelled' : 'expired']),
  )
}

/** NOTE: what is locked is chosen in a `with`: as a mere subquery PostgreSQL may choose again for each row, and lock more than the limit. */
const claim = (free: string): string =>
  `with free as (
     select s.number from shards s where s.batch_id = $1 and ${free}
       and exists (select 1 from batches b where b.id = $1 and b.status = 'in_progress' and b.expires_at > {now})
     order by s.number limit $4 {for update skip locked})
   update shards set state = 'held', fence = fence + 1, owner = $2, lease_until = {now} + $3
   where batch_id = $1 and number in (select number from free)
   returning batch_id, number, start, bytes, lines, fence, completed + failed as ended, body`
const claimWaiting = claim(`s.state = 'waiting'`)
/** NOTE: never its own: after a jump of the clock they have lapsed, and their lines are in flight. */
const claimLapsed = claim(`s.state = 'held' and s.lease_until < {now} and s.owner <> $2`)

/**
 * Leases up to `limit` shards of a batch that is in progress, each under a new fence, with the lines that committed checkpoints already have. Those that wait
 * first, then those whose lease has run out: two statements, each with an index, for thousands of shards of one batch may wait.
 */
export function claimShards(db: Db, batch: OpenBatch, owner: string, leaseMs: number, limit: number): Promise<ShardLease[]> {
  return db.tx(async (tx) => {
    const rows = await tx.query(claimWaiting, [batch.id, owner, leaseMs, limit])
    if (rows.length < limit) rows.push(...(await tx.query(claimLapsed, [batch.id, owner, leaseMs, limit - rows.length])))
    const leases: ShardLease[] = []
    for (const row of rows) leases.push(await leaseOf(tx, batch, row))
    return leases.toSorted((a, b) => a.number - b.number)
  })
}

/**
 * The same for many short batches at once: whatever waits of them, or has lapsed, up to `limit` shards. Without it each batch of one line would cost a
 * transaction.
 */
export function claimShort(
  db: Db,
  batches: readonly OpenBatch[],
  owner: string,
  leaseMs: number,
  limit: number,
): Promise<ShardLease[]> {
  const byId = new Map<string, OpenBatch>(batches.map((batch) => [batch.id, batch]))
  const ids = parameters(batches.length, 4)
  const claimOf = (free: string) => `with free as (
       select s.batch_id, s.number from shards s where s.batch_id in (${ids}) and ${free}
         and exists (select 1 from batches b where b.id = s.batch_id and b.status = 'in_progress' and b.expires_at > {now})
       order by s.batch_id, s.number limit $3 {for update skip locked})
     update shards set state = 'held', fence = fence + 1, owner = $1, lease_until = {now} + $2
     where (batch_id, number) in (select batch_id, number from free)
     returning batch_id, number, start, bytes, lines, fence, completed + failed as ended, body`
  return db.tx(async (tx) => {
    const take = (free: string, most: number) => tx.query(claimOf(free), [owner, leaseMs, most, ...byId.keys()])
    const rows = await take(`s.state = 'waiting'`, limit)
    const got = new Set(rows.map((row) => row.batch_id))
    if (rows.length < limit && got.size < byId.size)
      rows.push(...(await take(`s.state = 'held' and s.lease_until < {now} and s.owner <> $1`, limit - rows.length)))
    const leases: ShardLease[] = []
    for (const row of rows) {
      const batch = byId.get(text(row, 'batch_id'))
      if (batch) leases.push(await leaseOf(tx, batch, row))
    }
    return leases.toSorted((a, b) => (a.batchId === b.batchId ? a.number - b.number : a.batchId < b.batchId ? -1 : 1))
  })
}

async function leaseOf(tx: Queries, { id, planBlob }: OpenBatch, row: Row): Promise<ShardLease> {
  const number = int(row, 'number')
  const body = bodyOf(row)
  const plan = body ?? planBlob
  if (plan === null) throw new Error(`shard ${number} of batch ${id} has no plan`)
  return {
    batchId: id,
    plan,
    number,
    offset: body ? 0 : int(row, 'start'),
    bytes: int(row, 'bytes'),
    lines: int(row, 'lines'),
    fence: int(row, 'fence'),
    done: int(row, 'ended') === 0 ? [] : await doneLines(tx, id, number),
  }
}

/** Bytes that lie in a row. */
export const bodyOf = (row: Row): Buffer | null => {
  const body = textOrNull(row, 'body')
  return body === null ? null : Buffer.from(body, 'base64')
}

/** Ordinals of a shard that committed checkpoints have, sorted. */
export async function doneLines(db: Queries, batchId: BatchId, shard: number): Promise<Range[]> {
  const rows = await db.query(`select lines from segments where batch_id = $1 and shard = $2`, [batchId, shard])
  return rows.flatMap((row) => parseRanges(text(row, 'lines'))).toSorted((a, b) => a[0] - b[0])
}

export interface HeldFence {
  readonly batchId: BatchId
  readonly number: number
  readonly fence: number
}

/** Renews all of an owner's leases at once and tells which they are: one that is missing was lost. */
export async function renewShards(db: Queries, owner: string, leaseMs: number): Promise<HeldFence[]> {
  const rows = await db.query(
    `update shards set lease_until = {now} + $2 where owner = $1 and state = 'held' returning batch_id, number, fence`,
    [owner, leaseMs],
  )
  return rows.map((row) => ({ batchId: text(row, 'batch_id') as BatchId, number: int(row, 'number'), fence: int(row, 'fence') }))
}

/** Gives shards back, for others to claim at once. Old fences change nothing. */
export function giveBackShards(db: Db, held: readonly HeldFence[]): Promise<void> {
  return db.tx(async (tx) => {
    for (const { batchId, number, fence } of held)
      await tx.query(
        `update shards set state = 'waiting', owner = null, lease_until = 0 where batch_id = $1 and number = $2 and fence = $3 and state = 'held'`,
        [batchId, number, fence],
      )
  })
}

/** Before composing: no shard can be added to any more. Says the walk's fence; false if that is old. */
export function closeShards(db: Db, batchId: BatchId, walkFence: number): Promise<boolean> {
  return db.tx(async (tx) => {
    const ours = await tx.query(`update batches set fence = fence where id = $1 and fence = $2 returning id`, [
      batchId,
      walkFence,
    ])
    if (ours.length === 0) return false
    await tx.query(
      `update shards set state = 'closed', fence = fence + 1, owner = null, lease_until = 0 where batch_id = $1 and state in ('waiting', 'held')`,
      [batchId],
    )
    return true
  })
}
