import { describe, expect, test } from 'vitest'
import { newBatch, project, runningBatch, segmentOf } from '../../test/support/batch-rows.ts'
import { databases } from '../../test/support/databases.ts'
import { handClock } from '../../test/support/hand-clock.ts'
import type { BatchId, FileId, ProjectId } from '../domain/ids.ts'
import { noSums } from '../domain/usage.ts'
import { cancelBatch, findBatch, listBatches, loadBatch } from './batches.ts'
import type { Db } from './db.ts'
import { findFile, type StoredFile } from './files.ts'
import { outputsOf, reserveOutputs, type ComposeWalk, type OutputName } from './outputs.ts'
import type { Publication } from './publish.ts'
import { claimShards, openBatches } from './shards.ts'
import { batchesToSweep, markSwept } from './sweeps.ts'
import { announceUpload, takeLapsedUploads, walkOwner } from './uploads.ts'
import { giveBackWalk, refuseBatch } from './walks.ts'
import { claimCompose, claimPlan, finishShard, publishBatch, startBatch } from '../../test/support/one.ts'

const lease = 15_000
const file = (id: string): StoredFile => ({
  id: id as FileId,
  projectId: project,
  purpose: 'batch_output',
  filename: 'o.jsonl',
  bytes: 1,
  blob: `p1/${id}`,
  createdAt: 1,
  expiresAt: null,
  batchId: null,
})
const publication = (more: Partial<Publication> = {}): Publication => ({
  ending: 'completed',
  outputFileId: 'file-o',
  errorFileId: null,
  sums: { ...noSums, completed: 10 },
  files: [file('file-o')],
  objects: [],
  objectsExpireAt: null,
  layout: null,
  ...more,
})
const name = (key: string, kind: 'output' | 'error' = 'output'): OutputName => ({ store: 'folder:x', bucket: 'b', key, kind })

/** A batch whose only shard is done. */
async function doneBatch(db: Db) {
  const id = await runningBatch(db, 1)
  const open = (await openBatches(db, 'm', 100)).find((b) => b.id === id)
  const [held] = await claimShards(db, open!, 'w', lease, 1)
  await finishShard(db, held!, 10, segmentOf(0, [0, 9]))
  return id
}

/** Composes it: the result file is announced as the walk's. */
async function composing(db: Db, id: BatchId, leaseMs = lease) {
  const walk = await claimCompose(db, 'a', lease, 1500)
  if (!walk) throw new Error('nothing to compose')
  await announceUpload(db, { blob: 'p1/file-o', owner: walkOwner(id, walk.fence), leaseMs })
  return walk
}

describe.each(Object.entries(databases))('%s', (_, open) => {
  test('a batch is ready to be composed when its last shard is done, and one composer gets it', async () => {
    await using db = await open()
    const id = await doneBatch(db)
    await runningBatch(db, 1)
    const walks = await Promise.all([claimCompose(db, 'a', lease, 1500), claimCompose(db, 'b', lease, 1500)])
    expect(walks.flatMap((w) => w?.batch.id ?? [])).toEqual([id])
  })

  test('publishing is all at once: status, names, counts, files', async () => {
    await using db = await open()
    const id = await doneBatch(db)
    const walk = await composing(db, id)
    const batch = await loadBatch(db, id)
    expect(await publishBatch(db, batch!, walk!.fence, publication())).toBe(true)
    const after = await findBatch(db, project, id)
    expect(after).toMatchObject({ status: 'completed', outputFileId: 'file-o', sums: { completed: 10 } })
    expect(after!.finalizingAt).toBe(after!.completedAt)
    expect(await findFile(db, project, 'file-o' as FileId)).not.toBeNull()
    expect(await publishBatch(db, batch!, walk!.fence, publication())).toBe(false)
  })

  test('a result file that the janitor has taken is not published, and its batch is composed again', async () => {
    await using db = await open()
    const id = await doneBatch(db)
    const walk = await composing(db, id, 0)
    const batch = await loadBatch(db, id)
    expect(await takeLapsedUploads(db, 'janitor', 10)).toEqual(['p1/file-o'])
    await expect(publishBatch(db, batch!, walk.fence, publication())).rejects.toThrow('written again')
    expect(await findBatch(db, project, id)).toMatchObject({ status: 'in_progress', outputFileId: null })
    expect(await findFile(db, project, 'file-o' as FileId)).toBeNull()
    await giveBackWalk(db, id, walk.fence, 0, null)
    const again = await composing(db, id)
    expect(await publishBatch(db, batch!, again.fence, publication())).toBe(true)
  })

  test('with an old fence, or after a cancel came, nothing is published', async () => {
    await using db = await open()
    const id = await doneBatch(db)
    const walk = await composing(db, id)
    const batch = await loadBatch(db, id)
    expect(await publishBatch(db, batch!, walk!.fence - 1, publication())).toBe(false)
    await cancelBatch(db, project, id)
    expect(await publishBatch(db, batch!, walk!.fence, publication())).toBe(false)
    expect(await findFile(db, project, 'file-o' as FileId)).toBeNull()
    const seen = await loadBatch(db, id)
    expect(await publishBatch(db, seen!, walk!.fence, publication({ ending: 'cancelled' }))).toBe(true)
    expect((await findBatch(db, project, id))?.status).toBe('cancelled')
  })

  test('a cancel that races the plan wins or loses whole', async () => {
    await using db = await open()
    const id = await newBatch(db)
    const walk = await claimPlan(db, 'p', lease)
    expect(await cancelBatch(db, project, id)).toBe(true)
    expect(
      await startBatch(db, id, walk!.fence, { blob: 'b', bytes: 1, lines: 1, tokens: 0, cost: 0, model: 'm', shards: [] }),
    ).toBe(false)
    expect(await refuseBatch(db, id, walk!.fence, [])).toBe(false)
    expect((await findBatch(db, project, id))?.status).toBe('cancelling')
  })

  test('a walk that was given back is claimed again after its pause, under a higher fence', async () => {
    const clock = handClock()
    await using db = await open(clock)
    await newBatch(db)
    const first = await claimPlan(db, 'a', lease)
    await giveBackWalk(db, first!.batch.id, first!.fence, 5000, 'away')
    expect(await claimPlan(db, 'b', lease)).toBeNull()
    await clock.advance(5001)
    const second = await claimPlan(db, 'b', lease)
    expect(second).toMatchObject({ fence: first!.fence + 1, troubleSince: expect.any(Number) as number })
  })

  /** The walk of a batch that was cancelled and is about to be composed. */
  async function composeWalk(db: Db): Promise<ComposeWalk> {
    const batchId = await runningBatch(db, 1)
    await cancelBatch(db, project, batchId)
    const walk = await claimCompose(db, 'a', lease, -1)
    return { projectId: project, batchId, fence: walk!.fence, leaseMs: lease }
  }

  test('names of results belong to the first who reserves them, both or none', async () => {
    await using db = await open()
    const [a, b] = [await composeWalk(db), await composeWalk(db)]
    expect(await reserveOutputs(db, a, [name('x-error', 'error')])).toBe('reserved')
    expect(await reserveOutputs(db, b, [name('x-output'), name('x-error', 'error')])).toBe('taken')
    expect(await outputsOf(db, b.batchId)).toEqual([])
    expect(await reserveOutputs(db, a, [name('x-output'), name('x-error', 'error')])).toBe('reserved')
  })

  test('a composer whose walk was taken over reserves nothing', async () => {
    await using db = await open()
    const late = await composeWalk(db)
    await giveBackWalk(db, late.batchId, late.fence, 0, null)
    expect((await claimCompose(db, 'b', lease, -1))?.fence).toBe(late.fence + 1)
    expect(await reserveOutputs(db, late, [name('y-output')])).toBe('old')
    expect(await outputsOf(db, late.batchId)).toEqual([])
  })

  test('a batch of another project is not found, not listed and not cancelled', async () => {
    await using db = await open()
    const id = await newBatch(db)
    const other = 'p2' as ProjectId
    expect(await findBatch(db, other, id)).toBeNull()
    expect(await listBatches(db, other, null, 10)).toEqual([])
    expect(await cancelBatch(db, other, id)).toBe(false)
    expect((await findBatch(db, project, id))?.status).toBe('validating')
  })

  test('the list is newest first, and a page begins after the id that it is given', async () => {
    await using db = await open()
    const ids = [await newBatch(db), await newBatch(db), await newBatch(db)].toReversed()
    expect((await listBatches(db, project, null, 10)).map((b) => b.id)).toEqual(ids)
    expect((await listBatches(db, project, ids[0]!, 1)).map((b) => b.id)).toEqual([ids[1]])
  })

  test('two that sweep scratch at once count as one', async () => {
    const clock = handClock()
    await using db = await open(clock)
    const id = await newBatch(db)
    const walk = await claimPlan(db, 'p', lease)
    await refuseBatch(db, id, walk!.fence, [])
    for (let i = 0; i < 2; i++) await markSwept(db, [id], 3_600_000)
    await clock.advance(3_600_001)
    expect((await batchesToSweep(db, 10)).map((b) => b.id)).toEqual([id])
  })

  test('scratch of an ended batch is swept twice, an hour apart, and its counts stay', async () => {
    const clock = handClock()
    await using db = await open(clock)
    const id = await doneBatch(db)
    const walk = await composing(db, id)
    await publishBatch(db, (await loadBatch(db, id))!, walk!.fence, publication())
    for (let i = 0; i < 2; i++) {
      expect((await batchesToSweep(db, 10)).map((b) => b.id)).toEqual([id])
      await markSwept(db, [id], 3_600_000)
      expect(await batchesToSweep(db, 10)).toEqual([])
      await clock.advance(3_600_001)
    }
    expect(await batchesToSweep(db, 10)).toEqual([])
    expect((await findBatch(db, project, id))?.sums.completed).toBe(10)
  })
})
