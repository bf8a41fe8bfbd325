import type { Batch, PlanError } from '../domain/batch.ts'
import type { BatchId } from '../domain/ids.ts'
import { batchOf } from './batches.ts'
import { tellEnds } from './deliveries.ts'
import { int, text, textOrNull, type Db, type Queries, type Row } from './db.ts'
import { parameters } from './values.ts'

/** The right to walk a batch as a whole: to plan it, or to compose and publish it. Everything written under it says its fence. */
export interface Walk {
  readonly batch: Batch
  readonly fence: number
  readonly planBlob: string | null
  /** Since when this walk fails again and again, if it does. */
  readonly troubleSince: number | null
}

const take = `set fence = fence + 1, owner = $1, lease_until = {now} + $2`
const walkOf = (row: Row): Walk => ({
  batch: batchOf(row),
  fence: int(row, 'fence'),
  planBlob: textOrNull(row, 'plan_blob'),
  troubleSince: row.trouble_since === null ? null : int(row, 'trouble_since'),
})

/** NOTE: what this owner walks already is never claimed again by it: after a jump of the clock its lease has lapsed, and it is still at it. */
const notOf = (walking: readonly string[], first: number): string =>
  walking.length === 0 ? '' : `and not b.id in (${parameters(walking.length, first)})`

/**
 * The oldest batches that wait for their plan, at most `limit`. Their sums are those of the row: a batch that is being planned has none. `walking`: what this
 * owner walks already.
 */
export async function claimPlans(
  db: Queries,
  owner: string,
  leaseMs: number,
  limit: number,
  walking: readonly string[] = [],
): Promise<Walk[]> {
  const rows = await db.query(
    `with free as (
       select b.id from batches b
       where b.status = 'validating' and b.lease_until < {now} and b.retry_at <= {now} and b.expires_at > {now} ${notOf(walking, 4)}
       order by b.id limit $3 {for update skip locked})
     update batches ${take} where id in (select id from free) returning *`,
    [owner, leaseMs, limit, ...walking],
  )
  return oldestFirst(rows)
}

const oldestFirst = (rows: readonly Row[]): Walk[] => rows.map(walkOf).toSorted((a, b) => (a.batch.id < b.batch.id ? -1 : 1))

export interface ComposeClaim {
  readonly leaseMs: number
  /** After a cancel or the end of the window, how long holders have to give back what they hold. */
  readonly graceMs: number
  readonly few: number
  readonly more: number
  /** Only of these; all, if it is not given. */
  readonly among?: readonly string[] | undefined
}

/** Of so few lines a batch is composed in no time, and many of them at once. */
export const fewLines = 1000

/**
 * The oldest batches that are ready to be composed: at most `few` of those with few lines and `more` of the others. Ready is a state that this finds, never an event (design 2): no shard is left to run, or a cancel or the end
 * of the window was recorded and the holders have given back their shards or had `graceMs` to do so.
 */
export async function claimComposes(
  db: Queries,
  owner: string,
  { leaseMs, graceMs, few, more, among }: ComposeClaim,
  walking: readonly string[] = [],
): Promise<Walk[]> {
  const asked = among ? `and b.id in (${parameters(among.length, 6 + walking.length)})` : ''
  const ready = `select b.id from batches b
       where b.status in ('validating', 'in_progress', 'cancelling') and b.lease_until < {now} and b.retry_at <= {now} ${notOf(walking, 6)} ${asked} and (
         (b.status = 'validating' and b.expires_at <= {now})
         or (b.status = 'in_progress' and not exists (select 1 from shards s where s.batch_id = b.id and s.state = 'waiting')
             and not exists (select 1 from shards s where s.batch_id = b.id and s.state = 'held'))
         or (b.status = 'in_progress' and b.expires_at <= {now} - $3)
         or (b.status = 'in_progress' and b.expires_at <= {now}
             and not exists (select 1 from shards s where s.batch_id = b.id and s.state = 'held'))
         or (b.status = 'cancelling' and (b.cancelling_at <= {now} - $3
             or not exists (select 1 from shards s where s.batch_id = b.id and s.state = 'held'))))`
  const rows = await db.query(
    `with few as (${ready} and b.total <= ${fewLines} order by b.id limit $4 {for update skip locked}),
       more as (${ready} and b.total > ${fewLines} order by b.id limit $5 {for update skip locked})
     update batches ${take} where id in (select id from few union all select id from more) returning *`,
    [owner, leaseMs, graceMs, few, more, ...walking, ...(among ?? [])],
  )
  return oldestFirst(rows)
}

/** True if the walk is still this owner's. */
export async function renewWalk(db: Queries, id: BatchId, fence: number, leaseMs: number): Promise<boolean> {
  const rows = await db.query(
    `update batches set lease_until = {now} + $3 where id = $1 and fence = $2 and lease_until > 0 returning id`,
    [id, fence, leaseMs],
  )
  return rows.length === 1
}

/**
 * Gives the walk back, to be claimed again after a pause. `trouble` (for an operator: no prompt, no key) is kept with the time when it began; undefined: what
 * there is of it stays.
 */
export async function giveBackWalk(
  db: Queries,
  id: BatchId,
  fence: number,
  pauseMs: number,
  trouble?: string | null,
): Promise<void> {
  const [told, its] =
    trouble === undefined
      ? ['', []]
      : [
          `, trouble = $4, trouble_since = case when cast($4 as text) is null then null else coalesce(trouble_since, {now}) end`,
          [trouble],
        ]
  await db.query(`update batches set owner = null, lease_until = 0, retry_at = {now} + $3${told} where id = $1 and fence = $2`, [
    id,
    fence,
    pauseMs,
    ...its,
  ])
}

/** validating -> failed, with what the plan found. False when the fence is old or a cancel came first. */
export function refuseBatch(db: Db, id: BatchId, fence: number, errors: readonly PlanError[]): Promise<boolean> {
  return db.tx(async (tx) => {
    const rows = await tx.query(
      `update batches set status = 'failed', errors = $3, failed_at = case when created_at > {now} then created_at else {now} end,
         owner = null, lease_until = 0, trouble = null, trouble_since = null, sweep_at = {now}
       where id = $1 and fence = $2 and status = 'validating' returning id`,
      [id, fence, JSON.stringify(errors)],
    )
    if (rows.length === 1) await tellEnds(tx, [id])
    return rows.length === 1
  })
}

/** For the one process that owns the data folder, at its start: whoever held anything is dead, so their fences are raised and their leases end now. */
export function takeOver(db: Db): Promise<void> {
  return db.tx(async (tx) => {
    await tx.query(`update shards set state = 'waiting', fence = fence + 1, owner = null, lease_until = 0 where state = 'held'`)
    await tx.query(
      `update batches set fence = fence + 1, owner = null, lease_until = 0, retry_at = 0
       where status in ('validating', 'in_progress', 'cancelling') and (lease_until > 0 or retry_at > 0)`,
    )
    await tx.query(`delete from slots`)
    await tx.query(`delete from workers`)
  })
}

/** A worker that is known to be dead: what it held is free at once, under higher fences. */
export function endOwner(db: Db, owner: string): Promise<void> {
  return db.tx(async (tx) => {
    await tx.query(
      `update shards set state = 'waiting', fence = fence + 1, owner = null, lease_until = 0 where owner = $1 and state = 'held'`,
      [owner],
    )
    await tx.query(
      `update batches set fence = fence + 1, owner = null, lease_until = 0
       where status in ('validating', 'in_progress', 'cancelling') and owner = $1`,
      [owner],
    )
    await tx.query(`delete from slots where owner = $1`, [owner])
    await tx.query(`delete from workers where owner = $1`, [owner])
  })
}

export async function listRunningModels(db: Queries): Promise<{ model: string; batches: number }[]> {
  const rows = await db.query(
    `select model, count(*) as batches from batches where status = 'in_progress' group by model order by model`,
  )
  return rows.map((row) => ({ model: JSON.parse(text(row, 'model')) as string, batches: int(row, 'batches') }))
}

/** What keeps batches from being planned or composed, for `doctor`. */
export async function listTroubles(db: Queries, limit: number): Promise<{ batchId: string; trouble: string; since: number }[]> {
  const rows = await db.query(
    `select id, trouble, trouble_since from batches where status in ('validating', 'in_progress', 'cancelling') and trouble is not null order by id limit $1`,
    [limit],
  )
  return rows.map((row) => ({ batchId: text(row, 'id'), trouble: text(row, 'trouble'), since: int(row, 'trouble_since') }))
}

/** Of these batches, those whose cancel is recorded or whose window is over. */
export async function cancelledAmong(db: Queries, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db.query(
    `select id from batches where id in (${parameters(ids.length)}) and (status = 'cancelling' or expires_at <= {now})`,
    ids,
  )
  return rows.map((row) => text(row, 'id'))
}
