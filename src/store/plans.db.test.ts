import { expect, test } from 'vitest'
import { newBatch, project, runningBatch } from '../../test/support/batch-rows.ts'
import { databases } from '../../test/support/databases.ts'
import { cancelBatch, findBatch, listBatches } from './batches.ts'
import { pruneCreates } from './creates.ts'
import { text, type Db, type Row, type Value } from './db.ts'
import { blobInUse, expiredFiles, listFiles, type StoredFile } from './files.ts'
import { expiredOutputs, outputsOf } from './outputs.ts'
import { closedShards, resultSizes } from './segments.ts'
import { claimShards, openBatches, openModels, renewShards, stoppedBatches, type OpenBatch } from './shards.ts'
import { batchesToSweep } from './sweeps.ts'
import { renewUploads, takeLapsedUploads } from './uploads.ts'
import { cancelledAmong, claimCompose, claimPlan, listTroubles, takeOver } from './walks.ts'

/** Runs every statement as it is, and keeps how the database finds its rows. */
function explaining(db: Db, steps: string[]): Db {
  const query = async (sql: string, values: readonly Value[] = []): Promise<Row[]> => {
    const plan = await db.query(`explain query plan ${sql}`, values)
    steps.push(...plan.map((row) => text(row, 'detail')))
    return db.query(sql, values)
  }
  return { ...db, query, tx: (work) => work({ query }) }
}

/** A table from end to end, or along the index of its primary key, which is as long. Partial indexes of what is open are short. */
const wholeTable = /^SCAN (?!(page|p|s)\b)\w+\b(?! USING (COVERING )?INDEX (batches|shards)_)/

test('no list, claim, look or sweep passes what has ended: each finds its rows by an index', async () => {
  await using db = (await databases.sqlite?.()) as Db
  const id = await runningBatch(db, 3)
  await newBatch(db)
  const steps: string[] = []
  const seen = explaining(db, steps)
  expect(await openModels(seen)).toEqual(['m'])
  const [open] = (await openBatches(seen, 'm', 1)) as [OpenBatch]
  await claimShards(seen, open, 'w', 1000, 9)
  await renewShards(seen, 'w', 1000)
  await stoppedBatches(seen, [id])
  await cancelledAmong(seen, [id])
  await claimPlan(seen, 'w', 1000)
  await claimCompose(seen, 'w', 1000, 0)
  await listTroubles(seen, 10)
  await listBatches(seen, project, id, 10)
  await findBatch(seen, project, id)
  await cancelBatch(seen, project, id)
  await closedShards(seen, id, -1, 10)
  await resultSizes(seen, id)
  await batchesToSweep(seen, 10)
  const page = { purpose: null, order: 'desc', limit: 10 } as const
  await listFiles(seen, project, { ...page, after: null })
  await listFiles(seen, project, { ...page, after: { createdAt: 1, id: 'file-a' } as StoredFile })
  await expiredFiles(seen, 10)
  await blobInUse(seen, 'b')
  await renewUploads(seen, 'o', 0)
  await takeLapsedUploads(seen, 'j', 10)
  await outputsOf(seen, id)
  await expiredOutputs(seen, 10)
  await pruneCreates(seen, 0, 10)
  await takeOver(seen)
  expect(steps.filter((step) => wholeTable.test(step))).toEqual([])
  expect(steps).toContain('SEARCH files USING INDEX files_list (project_id=? AND (created_at,id)<(?,?))')
})
