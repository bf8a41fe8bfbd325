import { addErased, isClear, nothingErased, type Erased, type Erasure, type StillThere } from '../domain/erasure.ts'
import type { ProjectId } from '../domain/ids.ts'
import { cancelBatches } from './batches.ts'
import { int, intOrNull, text, type Db, type Queries, type Row } from './db.ts'
import { holdName } from './tokens.ts'
import { parameters } from './values.ts'

/** How often everything of a project is looked for: when it is asked for, and once more for what came late. */
const passesInAll = 2
const openStatuses = `('validating', 'in_progress', 'cancelling')`
/** An expiry that was put off after a failure is left as it is: it is at most an hour away. */
const postponedMs = 2 * 3_600_000

/** Keys of operators that would end with the project: without them nobody may be left who operates the server. */
export async function operatorsOnlyOf(db: Queries, projectId: ProjectId): Promise<number> {
  const [row] = await db.query(
    `select count(*) as count from keys k where operator = 1 and revoked_at is null and project_id = $1
       and not exists (select 1 from key_rights r where r.key_id = k.id and r.project_id <> $1)`,
    [projectId],
  )
  return row ? int(row, 'count') : 0
}

/** From now on no key opens the project, nobody is told of it, and its batches are cancelled. Done twice, it is done once. */
export function beginErasure(db: Db, projectId: ProjectId, name: string): Promise<void> {
  return db.tx(async (tx) => {
    await tx.query(holdName, [`erase ${projectId}`])
    const rows = await tx.query(
      `insert into erasures (project_id, name, requested_at, due_at, deleted) values ($1, $2, {now}, {now}, $3) on conflict (project_id) do nothing returning project_id`,
      [projectId, JSON.stringify(name), JSON.stringify(nothingErased)],
    )
    if (rows.length === 0) return
    await tx.query(`update projects set erasing_at = {now} where id = $1`, [projectId])
    await cutOff(tx, projectId)
  })
}

async function cutOff(tx: Queries, projectId: ProjectId): Promise<void> {
  const others = `from key_rights r where r.key_id = keys.id and r.project_id <> $1`
  await tx.query(
    `update keys set project_id = (select min(r.project_id) ${others}) where project_id = $1 and exists (select 1 ${others})`,
    [projectId],
  )
  await tx.query(`delete from key_rights where project_id = $1`, [projectId])
  // NOTE: a subject that was revoked stays revoked for other projects that its tokens may open: nothing but that is left of it
  await tx.query(
    `update keys set name = '', project_id = (select id from projects where is_default = 1) where project_id = $1 and issuer is not null and revoked_at is not null`,
    [projectId],
  )
  for (const table of ['rates', 'creates'])
    await tx.query(`delete from ${table} where key_id in (select id from keys where project_id = $1)`, [projectId])
  const keys = await tx.query(`delete from keys where project_id = $1 returning id`, [projectId])
  await tx.query(`delete from deliveries where webhook_id in (select id from webhooks where project_id = $1)`, [projectId])
  const webhooks = await tx.query(`delete from webhooks where project_id = $1 returning id`, [projectId])
  await cancelBatches(tx, projectId)
  await addToReport(tx, projectId, { keys: keys.length, webhooks: webhooks.length })
}

async function addToReport(tx: Queries, projectId: ProjectId, more: Partial<Erased>): Promise<void> {
  const [row] = await tx.query(`select deleted from erasures where project_id = $1`, [projectId])
  if (!row) return
  const all = addErased(JSON.parse(text(row, 'deleted')) as Erased, more)
  await tx.query(`update erasures set deleted = $2 where project_id = $1`, [projectId, JSON.stringify(all)])
}

export interface DueErasure {
  readonly projectId: ProjectId
  readonly passes: number
}

export async function dueErasures(db: Queries, limit: number): Promise<DueErasure[]> {
  const rows = await db.query(
    `select project_id, passes from erasures where confirmed_at is null and due_at <= {now} order by due_at limit $1`,
    [limit],
  )
  return rows.map((row) => ({ projectId: text(row, 'project_id') as ProjectId, passes: int(row, 'passes') }))
}

/** Lets the time of its files and objects be over, so that they go as all whose time is over do, and cancels what was created meanwhile. What is still there. */
export function pressErasure(db: Db, { projectId }: DueErasure): Promise<StillThere> {
  return db.tx(async (tx) => {
    await tx.query(holdName, [`erase ${projectId}`])
    await cancelBatches(tx, projectId)
    const ofFiles = `project_id = $1 and (expires_at is null or expires_at > {now})`
    const [files] = await tx.query(`select count(*) as count, coalesce(sum(bytes), 0) as bytes from files where ${ofFiles}`, [
      projectId,
    ])
    await tx.query(`update files set expires_at = {now} where ${ofFiles}`, [projectId])
    const ofObjects = `published_at is not null and (expires_at is null or expires_at > {now} + $2)
      and batch_id in (select id from batches where project_id = $1)`
    const objects = await tx.query(`update outputs set expires_at = {now} where ${ofObjects} returning bytes`, [
      projectId,
      postponedMs,
    ])
    await addToReport(tx, projectId, {
      files: files ? int(files, 'count') : 0,
      bytes: files ? int(files, 'bytes') : 0,
      objects: objects.length,
    })
    return stillThere(tx, projectId)
  })
}

export async function stillThere(db: Queries, projectId: ProjectId): Promise<StillThere> {
  const count = async (sql: string, values: readonly string[]) => {
    const [row] = await db.query(`select count(*) as count from ${sql}`, values)
    return row ? int(row, 'count') : 0
  }
  return {
    openBatches: await count(`batches where project_id = $1 and status in ${openStatuses}`, [projectId]),
    files: await count(`files where project_id = $1`, [projectId]),
    objects: await count(
      `outputs where published_at is not null and batch_id in (select id from batches where project_id = $1)`,
      [projectId],
    ),
    uploads: await count(`uploads where blob like $1`, [`${projectId}/%`]),
  }
}

/**
 * After their blobs are gone: forgets ended batches of the project, so many at most. The sums of them stay in `usage` until the project itself goes. How many.
 */
export function forgetBatches(db: Db, projectId: ProjectId, limit: number): Promise<number> {
  return db.tx(async (tx) => {
    await tx.query(holdName, [`erase ${projectId}`])
    const rows = await tx.query(
      `select id from batches where project_id = $1 and status not in ${openStatuses} order by id limit $2`,
      [projectId, limit],
    )
    if (rows.length === 0) return 0
    const [ids, these] = [rows.map((row) => text(row, 'id')), `(${parameters(rows.length)})`]
    for (const table of ['segments', 'shards', 'outputs']) await tx.query(`delete from ${table} where batch_id in ${these}`, ids)
    await tx.query(`delete from batches where id in ${these}`, ids)
    await addToReport(tx, projectId, { batches: rows.length })
    return rows.length
  })
}

/** Ends a pass: the project's last rows go, and what it used in all is written into the report. False: something came meanwhile, or the pass was another's. */
export function endPass(db: Db, { projectId, passes }: DueErasure, againMs: number): Promise<boolean> {
  return db.tx(async (tx) => {
    await tx.query(holdName, [`erase ${projectId}`])
    const there = await stillThere(tx, projectId)
    const [left] = await tx.query(`select 1 as one from batches where project_id = $1 limit 1`, [projectId])
    if (!isClear(there) || left) return false
    const [used] = await tx.query(
      `select coalesce(sum(completed + failed), 0) as requests, coalesce(sum(total_tokens), 0) as tokens, coalesce(sum(duration_ms), 0) as ms from usage where project_id = $1`,
      [projectId],
    )
    await cutOff(tx, projectId)
    if (used)
      await addToReport(tx, projectId, {
        requests: int(used, 'requests'),
        tokens: int(used, 'tokens'),
        seconds: int(used, 'ms') / 1000,
      })
    for (const table of ['usage', 'quotas', 'buckets']) await tx.query(`delete from ${table} where project_id = $1`, [projectId])
    await tx.query(`delete from projects where id = $1`, [projectId])
    const rows = await tx.query(
      `update erasures set passes = passes + 1, due_at = {now} + $3, erased_at = coalesce(erased_at, {now}),
         confirmed_at = case when passes + 1 >= ${passesInAll} then {now} end where project_id = $1 and passes = $2 returning project_id`,
      [projectId, passes, againMs],
    )
    return rows.length === 1
  })
}

/** Newest first. */
export async function listErasures(db: Queries): Promise<Erasure[]> {
  return (await db.query(`select * from erasures order by requested_at desc, project_id`)).map(erasureOf)
}

export async function findErasure(db: Queries, projectId: ProjectId): Promise<Erasure | null> {
  const [row] = await db.query(`select * from erasures where project_id = $1`, [projectId])
  return row ? erasureOf(row) : null
}

const erasureOf = (row: Row): Erasure => ({
  projectId: text(row, 'project_id') as ProjectId,
  name: JSON.parse(text(row, 'name')) as string,
  requestedAt: int(row, 'requested_at'),
  erasedAt: intOrNull(row, 'erased_at'),
  confirmedAt: intOrNull(row, 'confirmed_at'),
  deleted: JSON.parse(text(row, 'deleted')) as Erased,
})
