import { systemClock } from '../kit/clock.ts'
import { expect, onTestFinished, test } from 'vitest'
import { newBatch, project, runningBatch } from '../../test/support/batch-rows.ts'
import { databases, newPostgres } from '../../test/support/databases.ts'
import { unseen } from '../domain/result-cursor.ts'
import { cancelBatch, findBatch, listBatches } from './batches.ts'
import { pruneCreates } from './creates.ts'
import { text, type Db, type Row, type Value } from './db.ts'
import { blobInUse, expiredFiles, listFiles, type StoredFile } from './files.ts'
import { expiredOutputs, outputsOf, publishedOutputs } from './outputs.ts'
import { findStanding, layoutOfShards, loadLayout, lookAtShards } from './result-rows.ts'
import { closedShards, resultSizes } from './segments.ts'
import { openPostgres } from './postgres.ts'
import { claimShards, claimShort, openBatches, openModels, renewShards, stoppedBatches, type OpenBatch } from './shards.ts'
import { batchesToSweep, pruneBatches } from './sweeps.ts'
import { renewUploads, takeLapsedUploads } from './uploads.ts'
import { usageBetween } from './usage.ts'
import { cancelledAmong, listTroubles, takeOver } from './walks.ts'
import { claimCompose, claimPlan } from '../../test/support/one.ts'

/** Runs every statement as it is, and keeps how the database finds its rows. */
function explaining(db: Db, explain: string, steps: string[], told: (row: Row) => string[]): Db {
  const query = async (sql: string, values: readonly Value[] = []): Promise<Row[]> => {
    const plan = await db.query(`${explain} ${sql}`, values)
    steps.push(...plan.flatMap(told))
    return db.query(sql, values)
  }
  return { ...db, query, tx: (work) => work({ query }) }
}

/** A table from end to end, or along the index of its primary key, which is as long. Partial indexes of what is open are short, and projects are few. */
const wholeTable =
  /^SCAN (?!(page|p|s|few|more|projects|CONSTANT)\b|\d+ CONSTANT)\w+\b(?! USING (COVERING )?INDEX (batches|shards)_)/

async function askAll(db: Db, seen: Db): Promise<void> {
  const id = await runningBatch(db, 3)
  await newBatch(db)
  expect(await openModels(seen)).toEqual(['m'])
  const [open] = (await openBatches(seen, 'm', 1)) as [OpenBatch]
  await claimShards(seen, open, 'w', 1000, 9)
  await claimShort(seen, [open], 'w', 1000, 9)
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
  await findStanding(seen, project, id)
  await lookAtShards(seen, project, id, [unseen(0), unseen(1)])
  await layoutOfShards(seen, id)
  await loadLayout(seen, project, id)
  await publishedOutputs(seen, project, id)
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
  await pruneBatches(seen, 0, 10)
  await takeOver(seen)
  await usageBetween(seen, project, [1, 2])
  await usageBetween(seen, null, [1, 2])
}

test('no list, claim, look or sweep passes what has ended: each finds its rows by an index', async () => {
  await using db = (await databases.sqlite?.()) as Db
  const steps: string[] = []
  await askAll(
    db,
    explaining(db, 'explain query plan', steps, (row) => [text(row, 'detail')]),
  )
  expect(steps.filter((step) => wholeTable.test(step))).toEqual([])
  expect(steps).toContainEqual(expect.stringMatching(/^SEARCH g .*shard=\? AND fence=\? AND number>\?/))
  const byProject = 'SEARCH usage USING INDEX sqlite_autoindex_usage_1 (project_id=? AND day>? AND day<?)'
  expect(steps.filter((step) => step === byProject)).toHaveLength(2)
  expect(steps).toContain('SEARCH files USING INDEX files_list (project_id=? AND (created_at,id)<(?,?))')
})

interface Node {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly Plans?: readonly Node[]
}

/** A row a worker, or two; a row a project. */
const short = new Set(['slots', 'workers', 'projects'])
/** Partial indexes of what is open are short. */
const ofWhatIsOpen =
  /^(batches_(open|validating|running|running_of|sweep)|shards_(waiting|held|held_of)|files_expiry|outputs_expiry)$/
const wholes = (node: Node): string[] => {
  const { 'Node Type': type, 'Relation Name': table = '', 'Index Name': index = '', 'Index Cond': condition } = node
  const whole = type === 'Seq Scan' || (/Index.* Scan/.test(type) && condition === undefined && !ofWhatIsOpen.test(index))
  return [...(whole && !short.has(table) ? [`${type} ${table}${index}`] : []), ...(node.Plans ?? []).flatMap(wholes)]
}

test.runIf(process.env.NIGHTSHIFT_TEST_POSTGRES)(
  'so it is on PostgreSQL, wherever there are rows enough for an index to pay',
  async () => {
    const { db, url, drop } = await newPostgres(process.env.NIGHTSHIFT_TEST_POSTGRES ?? '')
    const sparing = openPostgres(`${url}?options=-c%20enable_seqscan%3Doff`, { clock: systemClock })
    onTestFinished(async () => {
      await sparing[Symbol.asyncDispose]()
      await drop()
    })
    const steps: string[] = []
    const told = (row: Row) =>
      (row['QUERY PLAN'] as unknown as readonly { readonly Plan: Node }[]).flatMap(({ Plan }) => wholes(Plan))
    await askAll(db, explaining(sparing, 'explain (format json)', steps, told))
    expect(steps).toEqual([])
  },
)
