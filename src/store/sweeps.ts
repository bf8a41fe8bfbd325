import type { Batch } from '../domain/batch.ts'
import type { BatchId, ProjectId } from '../domain/ids.ts'
import { text, type Db, type Queries } from './db.ts'

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
    input: JSON.parse(text(row, 'input')) as string,
  }))
}

/** After its blobs are gone: its shards and checkpoints go too, and the next sweep is due in `againMs`. Of two that sweep it at once, one counts. */
export function markSwept(db: Db, id: BatchId, againMs: number): Promise<void> {
  return db.tx(async (tx) => {
    await tx.query(`delete from segments where batch_id = $1`, [id])
    await tx.query(`delete from shards where batch_id = $1`, [id])
    await tx.query(`update batches set sweeps = sweeps + 1, sweep_at = {now} + $2 where id = $1 and sweep_at <= {now}`, [
      id,
      againMs,
    ])
  })
}
