import type { ProjectId } from '../domain/ids.ts'
import type { Webhook } from '../domain/webhook.ts'
import { int, intOrNull, text, type Db, type Queries, type Row } from './db.ts'
import { holdName } from './tokens.ts'
import { parameters } from './values.ts'

/** False: its project has as many as it may have. */
export function addWebhook(db: Db, webhook: Webhook, most: number): Promise<boolean> {
  return db.tx(async (tx) => {
    await tx.query(holdName, [`webhooks of ${webhook.projectId}`])
    if ((await listWebhooks(tx, webhook.projectId)).length >= most) return false
    await insertWebhook(tx, webhook)
    return true
  })
}

export async function insertWebhook(db: Queries, w: Webhook): Promise<void> {
  await db.query(
    `insert into webhooks (id, project_id, url, events, secret_number, old_until, created_at) values ($1, $2, $3, $4, $5, $6, $7)`,
    [w.id, w.projectId, w.url, w.events.length === 0 ? '' : ` ${w.events.join(' ')} `, w.secretNumber, w.oldUntil, w.createdAt],
  )
}

export async function findWebhook(db: Queries, projectId: ProjectId, id: string): Promise<Webhook | null> {
  const [row] = await db.query(`select * from webhooks where project_id = $1 and id = $2`, [projectId, id])
  return row ? webhookOf(row) : null
}

export async function listWebhooks(db: Queries, projectId: ProjectId): Promise<Webhook[]> {
  return (await db.query(`select * from webhooks where project_id = $1 order by created_at, id`, [projectId])).map(webhookOf)
}

/** Of all projects. */
export async function listAllWebhooks(db: Queries): Promise<Webhook[]> {
  return (await db.query(`select * from webhooks order by created_at, id`)).map(webhookOf)
}

/** For who delivers, which is for all projects. */
export async function loadWebhooks(db: Queries, ids: readonly string[]): Promise<Webhook[]> {
  if (ids.length === 0) return []
  return (await db.query(`select * from webhooks where id in (${parameters(ids.length)})`, ids)).map(webhookOf)
}

/** A new secret; the one that counted until now counts for `oldMs` more. null: there is no such webhook. */
export async function turnSecret(db: Queries, projectId: ProjectId, id: string, oldMs: number): Promise<Webhook | null> {
  const [row] = await db.query(
    `update webhooks set secret_number = secret_number + 1, old_until = {now} + $3 where project_id = $1 and id = $2 returning *`,
    [projectId, id, oldMs],
  )
  return row ? webhookOf(row) : null
}

/** Whoever answers that it is gone is sent nothing more; who asks for it is sent events again. */
export async function setDisabled(db: Queries, id: string, isDisabled: boolean): Promise<void> {
  await db.query(`update webhooks set disabled_at = ${isDisabled ? '{now}' : 'null'} where id = $1`, [id])
}

/** With all that was to be sent to it. False: there is no such webhook. */
export function deleteWebhook(db: Db, projectId: ProjectId, id: string): Promise<boolean> {
  return db.tx(async (tx) => {
    const rows = await tx.query(`delete from webhooks where project_id = $1 and id = $2 returning id`, [projectId, id])
    if (rows.length > 0) await tx.query(`delete from deliveries where webhook_id = $1`, [id])
    return rows.length > 0
  })
}

const webhookOf = (row: Row): Webhook => ({
  id: text(row, 'id'),
  projectId: text(row, 'project_id') as ProjectId,
  url: text(row, 'url'),
  events: text(row, 'events').split(' ').filter(Boolean),
  secretNumber: int(row, 'secret_number'),
  oldUntil: int(row, 'old_until'),
  createdAt: int(row, 'created_at'),
  disabledAt: intOrNull(row, 'disabled_at'),
})
