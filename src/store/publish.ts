import type { Batch, BatchStatus } from '../domain/batch.ts'
import type { Sums } from '../domain/usage.ts'
import type { Db } from './db.ts'
import { insertFile, type StoredFile } from './files.ts'
import { sameName, type OutputName } from './outputs.ts'
import { sumColumns, sumValues } from './sums.ts'
import { endUpload, resultsLapsed, walkOwner } from './uploads.ts'

/** The database's time, but never before what was stamped last ($7). */
const stamp = `case when {now} > $7 then {now} else $7 end`

export type Terminal = Extract<BatchStatus, 'completed' | 'expired' | 'cancelled'>

/** What appears in one moment: the ending, the names of the results, counts and usage. */
export interface Publication {
  readonly ending: Terminal
  readonly outputFileId: string | null
  readonly errorFileId: string | null
  readonly sums: Sums
  readonly files: readonly StoredFile[]
  readonly objects: readonly OutputName[]
  /** When the objects are to be deleted; null: never. */
  readonly objectsExpireAt: number | null
  /** Where each shard's results lie in the two files (domain/layout.ts); null: nothing ran. */
  readonly layout: string | null
}

/**
 * The whole of publishing (I7): one transaction, conditional on the walk's fence and on the status that the composer saw. False: the fence is old, or a
 * cancel came while it composed; then nothing has changed and the walk decides anew. @throws when the janitor has taken a result file, whose announcement had
 * lapsed: nothing has changed, and it is composed anew. `finalizing_at` is stamped where the batch was not cancelled (D19).
 */
export function publishBatch(db: Db, batch: Batch, fence: number, p: Publication): Promise<boolean> {
  const notBefore = Math.max(batch.createdAt, batch.inProgressAt ?? 0, batch.cancellingAt ?? 0)
  return db.tx(async (tx) => {
    const rows = await tx.query(
      `update batches set status = $4, output_file_id = $5, error_file_id = $6,
         finalizing_at = case when status = 'in_progress' then ${stamp} else finalizing_at end, ${p.ending}_at = ${stamp}, sweep_at = ${stamp},
         owner = null, lease_until = 0, trouble = null, trouble_since = null, layout = $8,
         ${sumColumns.map((c, i) => `${c} = $${i + 9}`).join(', ')}
       where id = $1 and fence = $2 and status = $3 returning id`,
      [batch.id, fence, batch.status, p.ending, p.outputFileId, p.errorFileId, notBefore, p.layout, ...sumValues(p.sums)],
    )
    if (rows.length === 0) return false
    for (const file of p.files) {
      await insertFile(tx, file)
      if (!(await endUpload(tx, file.blob, walkOwner(batch.id, fence)))) throw resultsLapsed()
    }
    const reserved = await tx.query(`select store, bucket, key, kind from outputs where batch_id = $1`, [batch.id])
    for (const row of reserved) {
      const name = {
        store: String(row.store),
        bucket: String(row.bucket),
        key: JSON.parse(String(row.key)) as string,
        kind: row.kind as OutputName['kind'],
      }
      const where = `store = $1 and bucket = $2 and key = $3`
      const values = [name.store, name.bucket, JSON.stringify(name.key)]
      if (p.objects.some((o) => sameName(o, name)))
        await tx.query(`update outputs set published_at = {now}, expires_at = $4 where ${where}`, [...values, p.objectsExpireAt])
      else await tx.query(`delete from outputs where ${where}`, values)
    }
    return true
  })
}
