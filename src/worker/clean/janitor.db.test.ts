import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { newBatch, project, runningBatch } from '../../../test/support/batch-rows.ts'
import { databases } from '../../../test/support/databases.ts'
import type { Blobs } from '../../blobs/blobs.ts'
import { openFolderBucket } from '../../blobs/bucket-folder.ts'
import type { BatchId, FileId, ProjectId } from '../../domain/ids.ts'
import { noSums } from '../../domain/usage.ts'
import { cancelBatch, loadBatch } from '../../store/batches.ts'
import { putGrant, removeGrant } from '../../store/buckets.ts'
import { findFile, insertFile } from '../../store/files.ts'
import { outputsOf, recordStaged, reserveOutputs, type OutputName } from '../../store/outputs.ts'
import { closedShards } from '../../store/segments.ts'
import type { Db } from '../../store/db.ts'
import { announceUpload, endUpload, renewUploads } from '../../store/uploads.ts'
import { refuseBatch } from '../../store/walks.ts'
import { claimCompose, claimPlan, publishBatch } from '../../../test/support/one.ts'
import { openHousehold } from '../../../test/support/janitor.ts'

const never = new AbortController().signal
const [minute, hour] = [60_000, 3_600_000]
const announced = async (db: Db) => (await db.query('select blob from uploads order by blob')).map((row) => row.blob)

async function names(blobs: Blobs, prefix = ''): Promise<string[]> {
  const found: string[] = []
  for await (const { name } of blobs.list(prefix)) found.push(name)
  return found.toSorted()
}

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  async function open() {
    const household = await openHousehold(openDb, { keepBatchesMs: 5 * hour, keepAuditMs: 24 * hour })
    const { db } = household
    const { step: stepUntil } = household.janitor()
    const step = () => stepUntil(never)
    const put = (blobs: Blobs, ...all: string[]) => Promise.all(all.map((name) => blobs.put(name, Buffer.from(name))))
    const upload = (blob: string, leaseMs: number, owner = 'o') => announceUpload(db, { blob, owner, leaseMs })
    /** A row that says a file has this blob. */
    const file = async (blob: string, expiresAt: number | null) => {
      const id = `file-${blob.replaceAll('/', '')}-${expiresAt}` as FileId
      const rest = { projectId: project, purpose: 'batch', filename: 'f', bytes: 1, createdAt: 1, batchId: null }
      await insertFile(db, { id, blob, expiresAt, ...rest })
      return async () => (await findFile(db, project, id)) !== null
    }
    return { ...household, step, put, upload, file }
  }

  test('what walks that died have left beside an object goes when its batch has ended, of this batch only', async () => {
    const { home, db, step } = await open()
    const folder = join(home, 'bucket')
    await mkdir(folder)
    const id = await newBatch(db)
    await putGrant(db, { projectId: project, bucket: 'b', place: { kind: 'folder', folder } }, 'own')
    await db.query(`update batches set input = $2 where id = $1`, [id, JSON.stringify('s3://b/in.jsonl')])
    const [left, others] = [`.nightshift-${id}-2-output-1`, '.nightshift-another']
    for (const name of [left, others, 'in.jsonl']) await writeFile(join(folder, name), 'x')
    await step()
    expect(await readdir(folder)).toContain(left)
    await refuseBatch(db, id, (await claimPlan(db, 'w', minute))!.fence, [])
    await step()
    expect((await readdir(folder)).toSorted()).toEqual([others, 'in.jsonl'])
  })

  test('a file whose time is over goes with its blob, when it is over and not before', async () => {
    const { clock, db, files, step, put, file } = await open()
    await put(files, 'p1/a', 'p1/b', 'p1/c')
    const a = await file('p1/a', clock.now() + minute)
    const b = await file('p1/b', clock.now() + hour)
    const c = await file('p1/c', null)
    await clock.advance(minute - 1)
    expect(await step()).toBe(0)
    await clock.advance(1)
    expect(await step()).toBe(1)
    expect(await names(files)).toEqual(['p1/b', 'p1/c'])
    expect([await a(), await b(), await c()]).toEqual([false, true, true])
    expect(await announced(db)).toEqual([])
  })

  test('a blob that another file still has stays until that one goes', async () => {
    const { clock, files, step, put, file } = await open()
    await put(files, 'p1/a')
    await file('p1/a', clock.now())
    await file('p1/a', clock.now() + hour)
    await step()
    expect(await names(files)).toEqual(['p1/a'])
    await clock.advance(hour)
    await step()
    expect(await names(files)).toEqual([])
  })

  test('an upload that is renewed no longer is removed with its row, but never the blob of a file', async () => {
    const { clock, db, files, step, put, upload, file } = await open()
    await put(files, 'p1/dead', 'p1/alive', 'p1/used', 'p1/other')
    const used = await file('p1/used', null)
    await upload('p1/dead', minute, 'dead')
    await upload('p1/never-came', minute, 'dead')
    await upload('p1/used', minute, 'dead')
    await upload('p1/alive', minute, 'alive')
    await renewUploads(db, 'alive', hour)
    await clock.advance(minute - 1)
    await step()
    expect(await names(files)).toHaveLength(4)
    await clock.advance(1)
    expect(await step()).toBe(3)
    expect(await names(files)).toEqual(['p1/alive', 'p1/other', 'p1/used'])
    expect([await used(), await announced(db)]).toEqual([true, ['p1/alive']])
  })

  test('whoever announced a blob too long ago cannot make it count any more', async () => {
    const { clock, db, files, step, put, upload } = await open()
    await put(files, 'p1/late', 'p1/in-time')
    await upload('p1/late', minute, 'a')
    await upload('p1/in-time', hour, 'b')
    await clock.advance(minute)
    await step()
    expect([await endUpload(db, 'p1/late', 'a'), await endUpload(db, 'p1/in-time', 'b')]).toEqual([false, true])
    expect(await names(files)).toEqual(['p1/in-time'])
  })

  test('what a thread that was ended has left aside goes an hour later', async () => {
    const { home, clock, step } = await open()
    const aside = join(home, 'scratch', '.tmp')
    await mkdir(aside, { recursive: true })
    await writeFile(join(aside, 'half'), 'half a plan')
    await step()
    expect(await readdir(aside)).toEqual(['half'])
    await clock.advance(hour + minute)
    await step()
    expect(await readdir(aside)).toEqual([])
  })

  test('scratch of a batch that has ended is swept, and what comes late is swept an hour later; that of others is left', async () => {
    const { clock, db, scratch, step, put } = await open()
    const ended = await newBatch(db)
    const walk = await claimPlan(db, 'w', minute)
    await refuseBatch(db, ended, walk!.fence, [])
    const running = await runningBatch(db, 2)
    const waiting = await newBatch(db)
    const left = [`p1/${running}/plan-1`, `p1/${running}/0-1-0`, `p1/${waiting}/plan-1`, `p2/${ended}/plan-1`, `p1/${ended}x/a`]
    await put(scratch, ...left, `p1/${ended}/plan-1`, `p1/${ended}/0-1-0`)
    expect(await step()).toBe(2)
    expect(await names(scratch)).toEqual(left.toSorted())
    await put(scratch, `p1/${ended}/0-1-1`)
    await clock.advance(hour - 1)
    expect(await step()).toBe(0)
    await clock.advance(1)
    expect(await step()).toBe(1)
    expect(await names(scratch)).toEqual(left.toSorted())
    expect(await closedShards(db, running, -1, 10)).toHaveLength(2)
  })

  /** A batch that was cancelled and published objects under these keys of its bucket, to go in a minute. */
  async function published(of: Awaited<ReturnType<typeof open>>, keys: readonly string[], projectId: ProjectId = project) {
    const { db, clock, home } = of
    const folder = join(home, projectId)
    await mkdir(folder)
    const bucket = openFolderBucket(folder, 'b')
    const batchId = await runningBatch(db, 1, { projectId })
    await putGrant(db, { projectId, bucket: 'b', place: { kind: 'folder', folder } }, 'operator')
    await cancelBatch(db, projectId, batchId)
    const { fence } = (await claimCompose(db, 'w', minute, 0))!
    const objects = keys.map((key): OutputName => ({ store: `folder:${folder}`, bucket: 'b', key, kind: 'output' }))
    await reserveOutputs(db, { projectId, batchId, fence, leaseMs: minute }, objects)
    for (const name of objects) {
      const staged = await bucket.stage(name.key, batchId, Buffer.from('ours'))
      await recordStaged(db, { batchId, fence }, name, staged)
      await bucket.publish(name.key, staged)
    }
    const what = {
      ending: 'cancelled',
      outputFileId: null,
      errorFileId: null,
      sums: noSums,
      files: [],
      objects,
      layout: null,
    } as const
    const batch = await loadBatch(db, batchId)
    await publishBatch(db, batch!, fence, { ...what, objectsExpireAt: clock.now() + minute })
    const read = (key: string) => readFile(join(folder, key), 'utf8').catch(() => null)
    return { batchId, folder, read, rows: async (id: BatchId = batchId) => (await outputsOf(db, id)).map((o) => o.key) }
  }

  test('an object whose time is over is deleted if it is still the one that was written, and forgotten either way', async () => {
    const parts = await open()
    const { folder, read, rows } = await published(parts, ['kept', 'replaced', 'gone'])
    await putGrant(parts.db, { projectId: project, bucket: 'a', place: { kind: 'folder', folder: parts.home } }, 'operator')
    await rm(join(folder, 'replaced'))
    await writeFile(join(folder, 'replaced'), "the user's")
    await rm(join(folder, 'gone'))
    await parts.clock.advance(minute - 1)
    await parts.step()
    expect([await read('kept'), (await rows()).length]).toEqual(['ours', 3])
    await parts.clock.advance(1)
    await parts.step()
    expect([await read('kept'), await read('replaced'), await rows()]).toEqual([null, "the user's", []])
  })

  test('an object in a bucket that the project may no longer use is left where it is', async () => {
    const parts = await open()
    const lost = await published(parts, ['a'])
    const other = await published(parts, ['a'], 'p2' as ProjectId)
    await removeGrant(parts.db, project, 'b')
    await parts.clock.advance(minute)
    await parts.step()
    expect([await lost.read('a'), await other.read('a')]).toEqual(['ours', null])
    expect([await lost.rows(), await other.rows()]).toEqual([[], []])
  })

  /** As somebody whom folders can refuse: root is refused by none. */
  async function asNobody<T>(work: () => Promise<T>): Promise<T> {
    const root = process.geteuid?.() === 0
    if (root) process.seteuid?.(65_534)
    try {
      return await work()
    } finally {
      if (root) process.seteuid?.(0)
    }
  }

  test('an object that cannot be deleted waits an hour, and holds up nothing else', async () => {
    const parts = await open()
    const closed = await published(parts, ['a'])
    const elsewhere = await published(parts, ['a'], 'p2' as ProjectId)
    await parts.step()
    for (const [folder, mode] of [
      [parts.home, 0o755],
      [closed.folder, 0o555],
      [elsewhere.folder, 0o777],
    ] as const)
      await chmod(folder, mode)
    await parts.clock.advance(minute)
    await asNobody(parts.step)
    expect([await closed.read('a'), await elsewhere.read('a')]).toEqual(['ours', null])
    expect([await closed.rows(), await elsewhere.rows()]).toEqual([['a'], []])
    await chmod(closed.folder, 0o755)
    await parts.clock.advance(hour - 1)
    await parts.step()
    expect(await closed.read('a')).toBe('ours')
    await parts.clock.advance(1)
    await parts.step()
    expect([await closed.read('a'), await closed.rows()]).toEqual([null, []])
  })

  test('a batch that ended long ago is forgotten, but not before its objects have expired', async () => {
    const opened = await open()
    const { db, clock, step } = opened
    const kept = await published(opened, ['a-output.jsonl'])
    await db.query(`update outputs set expires_at = $1`, [clock.now() + 8 * hour])
    const plain = await runningBatch(db, 1)
    await cancelBatch(db, project, plain)
    const walk = (await claimCompose(db, 'w', minute, 0))!
    const nothing = {
      ending: 'cancelled',
      outputFileId: null,
      errorFileId: null,
      sums: noSums,
      files: [],
      objects: [],
      objectsExpireAt: null,
      layout: null,
    } as const
    expect(await publishBatch(db, walk.batch, walk.fence, nothing)).toBe(true)
    await step()
    await clock.advance(hour + 1)
    await step()
    await clock.advance(5 * hour)
    await step()
    expect(await loadBatch(db, plain)).not.toBeNull()
    await clock.advance(hour + 1)
    await step()
    expect([await loadBatch(db, plain), await loadBatch(db, kept.batchId)]).toEqual([null, expect.anything()])
    await clock.advance(hour)
    await step()
    await step()
    expect(await loadBatch(db, kept.batchId)).toBeNull()
  })
})
