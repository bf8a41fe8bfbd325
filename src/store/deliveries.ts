import type { BatchId } from '../domain/ids.ts'
import type { Delivery } from '../domain/webhook.ts'
import { int, intOrNull, text, textOrNull, type Queries, type Row } from './db.ts'
import { parameters } from './values.ts'

/**
 * Within the transaction that ends batches: one event each for the webhooks of its project that want it, so that there is one event if and only if the batch has ended.
 * An event's id is made of the batch's: whoever does it twice does it once.
 */
export async function tellEnds(tx: Queries, batches: readonly BatchId[]): Promise<void> {
  if (batches.length === 0) return
  await tx.query(
    `insert into deliveries (webhook_id, event_id, type, subject, created_at, state, attempts, next_at)
     select w.id, 'evt_' || replace(b.id, '-', ''), 'batch.' || b.status, b.id, {now}, 'waiting', 0, {now}
     from batches b join webhooks w on w.project_id = b.project_id
     where b.id in (${parameters(batches.length)}) and w.disabled_at is null and (w.events = '' or w.events like '% batch.' || b.status || ' %')
     on conflict (webhook_id, event_id) do nothing`,
    batches,
  )
}

export async function insertDelivery(
  db: Queries,
  { webhookId, eventId, type, subject }: Pick<Delivery, 'webhookId' | 'eventId' | 'type' | 'subject'>,
): Promise<void> {
  await db.query(
    `insert into deliveries (webhook_id, event_id, type, subject, created_at, state, attempts, next_at)
     values ($1, $2, $3, $4, {now}, 'waiting', 0, {now})`,
    [webhookId, eventId, type, subject],
  )
}

/** What is due, for `leaseMs`: at most `each` of a webhook, so that one that hangs holds up no other. Another try of it has a higher number of attempts. */
export async function claimDeliveries(
  db: Queries,
  { leaseMs, limit, each, except }: { leaseMs: number; limit: number; each: number; except: readonly string[] },
): Promise<Delivery[]> {
  const rows = await db.query(
    `update deliveries set next_at = {now} + $1, attempts = attempts + 1
     where state = 'waiting' and next_at <= {now} and (webhook_id, event_id) in (
       select webhook_id, event_id from (
         select webhook_id, event_id, next_at, row_number() over (partition by webhook_id order by next_at, event_id) as place
         from deliveries where state = 'waiting' and next_at <= {now}
       ) due where place <= $2 ${except.length > 0 ? `and webhook_id not in (${parameters(except.length, 4)})` : ''} order by next_at limit $3
     ) returning *`,
    [leaseMs, each, limit, ...except],
  )
  return rows.map(deliveryOf)
}

export type Try = Pick<Delivery, 'webhookId' | 'eventId' | 'attempts'>

const ofTry = `webhook_id = $1 and event_id = $2 and attempts = $3 and state = 'waiting'`

/** What came of a try. `pauseMs`: until the next; null: there is none. */
export async function noteTry(
  db: Queries,
  one: Try,
  came: {
    readonly delivered: boolean
    readonly status: number | null
    readonly error: string | null
    readonly pauseMs: number | null
  },
): Promise<void> {
  const over = came.delivered || came.pauseMs === null
  await db.query(
    `update deliveries set state = $4, last_status = $5, last_error = $6, next_at = {now} + $7, ended_at = ${over ? '{now}' : 'null'} where ${ofTry}`,
    [
      one.webhookId,
      one.eventId,
      one.attempts,
      came.delivered ? 'delivered' : over ? 'failed' : 'waiting',
      came.status,
      came.error,
      came.pauseMs ?? 0,
    ],
  )
}

/** A try that was broken off counts for nothing. */
export async function giveBackTry(db: Queries, { webhookId, eventId, attempts }: Try): Promise<void> {
  await db.query(`update deliveries set next_at = {now}, attempts = attempts - 1 where ${ofTry}`, [webhookId, eventId, attempts])
}

/** Of a webhook that is gone. NOTE: one that is deleted while a batch ends leaves what that told it. */
export async function dropOrphans(db: Queries, webhookId: string): Promise<void> {
  await db.query(`delete from deliveries where webhook_id = $1 and not exists (select 1 from webhooks where id = $1)`, [
    webhookId,
  ])
}

/** Sent again, now, under the same id. False: there is no such delivery. */
export async function replayDelivery(db: Queries, webhookId: string, eventId: string): Promise<boolean> {
  const rows = await db.query(
    `update deliveries set state = 'waiting', next_at = {now}, attempts = 0, ended_at = null
     where webhook_id = $1 and event_id = $2 and (state <> 'waiting' or attempts > 0) returning event_id`,
    [webhookId, eventId],
  )
  return rows.length > 0 || (await findDelivery(db, webhookId, eventId)) !== null
}

export async function findDelivery(db: Queries, webhookId: string, eventId: string): Promise<Delivery | null> {
  const [row] = await db.query(`select * from deliveries where webhook_id = $1 and event_id = $2`, [webhookId, eventId])
  return row ? deliveryOf(row) : null
}

/** Newest first. */
export async function listDeliveries(db: Queries, webhookId: string, limit: number): Promise<Delivery[]> {
  const rows = await db.query(`select * from deliveries where webhook_id = $1 order by created_at desc, event_id desc limit $2`, [
    webhookId,
    limit,
  ])
  return rows.map(deliveryOf)
}

/** Those that ended so long ago. How many. */
export async function pruneDeliveries(db: Queries, keptMs: number, limit: number): Promise<number> {
  const rows = await db.query(
    `delete from deliveries where (webhook_id, event_id) in
       (select webhook_id, event_id from deliveries where ended_at is not null and ended_at <= {now} - $1 limit $2) returning event_id`,
    [keptMs, limit],
  )
  return rows.length
}

const deliveryOf = (row: Row): Delivery => ({
  webhookId: text(row, 'webhook_id'),
  eventId: text(row, 'event_id'),
  type: text(row, 'type'),
  subject: text(row, 'subject'),
  createdAt: int(row, 'created_at'),
  state: text(row, 'state') as Delivery['state'],
  attempts: int(row, 'attempts'),
  nextAt: int(row, 'next_at'),
  lastStatus: intOrNull(row, 'last_status'),
  lastError: textOrNull(row, 'last_error'),
  endedAt: intOrNull(row, 'ended_at'),
})
