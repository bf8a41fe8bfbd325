import type { Batch } from '../domain/batch.ts'
import type { BatchId, ProjectId } from '../domain/ids.ts'
import { inputOf } from './batches.ts'
import { text, type Db, type Queries } from './db.ts'
import { parameters } from './values.ts'

export type EndedBatch = Pick<Batch, 'id' | 'projectId' | 'input'>

/** Batches that have ended and whose scratch is due to be swept: at once, and once more an hour later (I3). */
export async function batchesToSweep(db: Queries, limit: number): Promise<EndedBatch[]> {
  const rows = await db.query(
    `select id, project_id, input from batches where sweeps < 2 and status in ('completed', 'failed', 'expired', 'cancelled') and sweep_at <= {now}
     order by sweep_at limit $1`,
    [limit],
  )
  return rows.map((row) => ({
    id: text(row, 'id') as BatchId,
    projectId: text(row, 'project_id') as ProjectId,
    input: inputOf(row).input,
  }))
}

/** Batches of a project that have ended, so many of the oldest. */
export async function endedBatches(db: Queries, projectId: ProjectId, limit: number): Promise<EndedBatch[]> {
  const rows = await db.query(
    `select id, input from batches where project_id = $1 and status in ('completed', 'failed', 'expired', 'cancelled') order by id limit $2`,
    [projectId, limit],
  )
  return rows.map((row) => ({ id: text(row, 'id') as BatchId, projectId, input: inputOf(row).input }))
}

/** After their blobs are gone: their shards and checkpoints go too, and the next sweep is due in `againMs`. Of two that sweep one at once, one counts. */
export async function markSwept(db: Db, ids: readonly BatchId[], againMs: number): Promise<void> {
  if (ids.length === 0) return
  const these = `(${parameters(ids.length)})`
  await db.tx(async (tx) => {
    await tx.query(`delete from segments where batch_id in ${these}`, ids)
    await tx.query(`delete from shards where batch_id in ${these}`, ids)
    await tx.query(
      `update batches set sweeps = sweeps + 1, sweep_at = {now} + $${ids.length + 1} where id in ${these} and sweep_at <= {now}`,
      [...ids, againMs],
    )
  })
}

/** Forgets batches that have ended, and were swept for the last time, so long ago, but for those whose objects are still to expire. Their objects stay. Of one project, or all. How many. */
export function pruneBatches(db: Db, keptMs: number, limit: number, projectId?: ProjectId): Promise<number> {
  return db.tx(async (tx) => {
    const rows = await tx.query(
      `select id from batches b where sweeps >= 2 and sweep_at <= {now} - $1${projectId === undefined ? '' : ' and project_id = $3'}
         and not exists (select 1 from outputs o where o.batch_id = b.id and o.expires_at is not null)
       order by sweep_at limit $2`,
      projectId === undefined ? [keptMs, limit] : [keptMs, limit, projectId],
    )
    for (const row of rows) {
      await tx.query(`delete from outputs where batch_id = $1`, [text(row, 'id')])
      await tx.query(`delete from batches where id = $1`, [text(row, 'id')])
    }
    return rows.length
  })
}
