import { describe, expect, onTestFinished, test } from 'vitest'
import { newBatch, project, runningBatch } from '../../test/support/batch-rows.ts'
import { databases } from '../../test/support/databases.ts'
import { claimCompose, publishBatch } from '../../test/support/one.ts'
import { dayOf } from '../domain/day.ts'
import type { BatchId, ProjectId } from '../domain/ids.ts'
import { noSums } from '../domain/usage.ts'
import { cancelBatch, loadBatch } from './batches.ts'
import type { Db } from './db.ts'
import type { Publication } from './publish.ts'
import { usageBetween } from './usage.ts'
import { sql as migration } from './sql/0006.ts'

const sums = { ...noSums, completed: 9, failed: 1, inputTokens: 100, outputTokens: 20, totalTokens: 120, durationMs: 7 }
const ended: Publication = {
  ending: 'cancelled',
  outputFileId: null,
  errorFileId: null,
  sums,
  files: [],
  objects: [],
  objectsExpireAt: null,
  layout: null,
}

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  async function open(): Promise<Db> {
    const db = await openDb()
    onTestFinished(() => db[Symbol.asyncDispose]())
    return db
  }

  /** Ends a batch, cancelled and with results. */
  async function end(db: Db, id: BatchId, fenceOff = 0, projectId = project): Promise<boolean> {
    await cancelBatch(db, projectId, id)
    await db.query(`update shards set state = 'closed' where batch_id = $1`, [id])
    const walk = await claimCompose(db, 'composer', 60_000, 0)
    const batch = await loadBatch(db, id)
    if (walk?.batch.id !== id || !batch) throw new Error('nothing to compose')
    return publishBatch(db, batch, walk.fence + fenceOff, ended)
  }

  const all = (db: Db) => usageBetween(db, project, [0, dayOf(Date.now()) + 1])

  test('batches of one day, key, model and endpoint are one row, and others rows of their own', async () => {
    const db = await open()
    const ids = [await runningBatch(db), await runningBatch(db), await runningBatch(db)]
    await db.query(`update batches set key_id = 'other' where id = $1`, [ids[2] ?? ''])
    for (const id of ids) expect(await end(db, id)).toBe(true)
    const twice = { ...sums, completed: 18, failed: 2, inputTokens: 200, outputTokens: 40, totalTokens: 240, durationMs: 14 }
    const day = dayOf(Date.now())
    const rows = await all(db)
    expect(rows).toEqual([
      {
        day: expect.closeTo(day, -1) as number,
        projectId: project,
        keyId: 'k',
        model: 'm',
        endpoint: '/v1/chat/completions',
        batches: 2,
        sums: twice,
      },
      { ...rows[0], keyId: 'other', batches: 1, sums },
    ])
    expect(await usageBetween(db, project, [day + 2, day + 9])).toEqual([])
  })

  test('of all projects, each has rows of its own, by day and then by project', async () => {
    const db = await open()
    const other = 'p0' as ProjectId
    await end(db, await runningBatch(db))
    await end(db, await runningBatch(db, 2, { projectId: other }), 0, other)
    const day = dayOf(Date.now())
    const rows = await usageBetween(db, null, [day - 1, day + 1])
    expect(rows.map(({ projectId, batches }) => [projectId, batches])).toEqual([
      [other, 1],
      [project, 1],
    ])
    expect(await usageBetween(db, other, [day - 1, day + 1])).toEqual(rows.slice(0, 1))
    expect(await usageBetween(db, null, [day + 2, day + 9])).toEqual([])
  })

  test('a publication whose fence is old adds nothing', async () => {
    const db = await open()
    expect(await end(db, await runningBatch(db), -1)).toBe(false)
    expect(await all(db)).toEqual([])
  })

  test('a batch that ended before it had a model has used nothing', async () => {
    const db = await open()
    const id = await newBatch(db)
    await end(db, id)
    expect((await loadBatch(db, id))?.status).toBe('cancelled')
    expect(await all(db)).toEqual([])
  })

  test('made from zero, from the batches that are there, it is the same', async () => {
    const db = await open()
    for (let i = 0; i < 3; i++) await end(db, await runningBatch(db))
    const before = await all(db)
    await db.query('delete from usage')
    await db.query(migration.slice(migration.indexOf('insert into usage')))
    expect(await all(db)).toEqual(before)
    expect(before).toHaveLength(1)
  })
})
