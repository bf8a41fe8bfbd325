import { describe, expect, test } from 'vitest'
import { newBatch, project, runningBatch, segmentOf } from '../../test/support/batch-rows.ts'
import { databases } from '../../test/support/databases.ts'
import { handClock } from '../../test/support/hand-clock.ts'
import type { BatchId } from '../domain/ids.ts'
import { cancelBatch, findBatch } from './batches.ts'
import type { Db } from './db.ts'
import { addCheckpoint, closedShards, resultSizes } from './segments.ts'
import { claimShards, closeShards, doneLines, giveBackShards, openBatches, renewShards, stoppedBatches } from './shards.ts'
import { takeOver } from './walks.ts'
import { claimCompose, finishShard } from '../../test/support/one.ts'

const lease = 15_000
const claim = async (db: Db, id: BatchId, owner = 'w', limit = 10) => {
  const open = (await openBatches(db, 'm', 100)).find((b) => b.id === id)
  return open ? claimShards(db, open, owner, lease, limit) : []
}
const fenceOf = (l: { batchId: BatchId; number: number; fence: number }) => ({
  batchId: l.batchId,
  number: l.number,
  fence: l.fence,
})

describe.each(Object.entries(databases))('%s', (_, open) => {
  test('a shard is held by one at a time, and each claim of it has a higher fence', async () => {
    const clock = handClock()
    await using db = await open(clock)
    const id = await runningBatch(db, 1)
    const [first] = await claim(db, id, 'a')
    expect(await claim(db, id, 'b')).toEqual([])
    await clock.advance(lease + 1)
    const [second] = await claim(db, id, 'b')
    expect(second?.fence).toBe(first!.fence + 1)
  })

  test('two claims at once share the shards and get none twice', async () => {
    await using db = await open()
    const id = await runningBatch(db, 9)
    const got = await Promise.all(['a', 'b', 'c'].map((owner) => claim(db, id, owner, 4)))
    expect(
      got
        .flat()
        .map((l) => l.number)
        .toSorted((a, b) => a - b),
    ).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  test('with an old fence nothing can be added, finished or given back', async () => {
    const clock = handClock()
    await using db = await open(clock)
    const id = await runningBatch(db, 1)
    const [old] = await claim(db, id, 'a')
    await clock.advance(lease + 1)
    const [now] = await claim(db, id, 'b')
    expect(await addCheckpoint(db, fenceOf(old!), segmentOf(0, [0, 3]))).toBe('lost')
    expect(await finishShard(db, fenceOf(old!), 10, segmentOf(0, [0, 9]))).toBe('lost')
    await giveBackShards(db, [fenceOf(old!)])
    expect(await renewShards(db, 'a', lease)).toEqual([])
    expect(await renewShards(db, 'b', lease)).toEqual([fenceOf(now!)])
    expect((await findBatch(db, project, id))?.sums.completed).toBe(0)
  })

  test('a checkpoint asked for again counts once; a line in two of them is refused', async () => {
    await using db = await open()
    const id = await runningBatch(db, 1)
    const [held] = await claim(db, id)
    for (let i = 0; i < 3; i++) expect(await addCheckpoint(db, fenceOf(held!), segmentOf(0, [0, 3]))).toBe('committed')
    await expect(addCheckpoint(db, fenceOf(held!), segmentOf(1, [3, 5]))).rejects.toThrow(/a line is in two checkpoints/)
    expect((await findBatch(db, project, id))?.sums).toMatchObject({ completed: 4, totalTokens: 4 })
    expect(await doneLines(db, id, 0)).toEqual([[0, 3]])
  })

  test('who holds a shard next is told which lines are done', async () => {
    await using db = await open()
    const id = await runningBatch(db, 1)
    const [held] = await claim(db, id)
    await addCheckpoint(db, fenceOf(held!), segmentOf(0, [0, 1], [5, 5]))
    await giveBackShards(db, [fenceOf(held!)])
    const [again] = await claim(db, id, 'b')
    expect(again?.done).toEqual([
      [0, 1],
      [5, 5],
    ])
  })

  test('a finished shard has one segment with every line, and the sums stay what they were', async () => {
    await using db = await open()
    const id = await runningBatch(db, 1)
    const [held] = await claim(db, id)
    await addCheckpoint(db, fenceOf(held!), segmentOf(0, [0, 4]))
    await expect(finishShard(db, fenceOf(held!), 10, segmentOf(1, [5, 9]))).rejects.toThrow(/does not have every line once/)
    for (let i = 0; i < 2; i++) expect(await finishShard(db, fenceOf(held!), 10, segmentOf(1, [0, 9]))).toBe('committed')
    expect((await closedShards(db, id, -1, 10))[0]?.segments.map((s) => s.number)).toEqual([1])
    expect((await findBatch(db, project, id))?.sums).toMatchObject({ completed: 10, totalTokens: 10 })
    expect(await resultSizes(db, id)).toMatchObject({ outputBytes: 100, ended: 10 })
  })

  test('a closed shard takes no more checkpoints, and only the holder of the walk closes', async () => {
    await using db = await open()
    const id = await runningBatch(db, 2)
    const [held] = await claim(db, id, 'w', 1)
    await cancelBatch(db, project, id)
    const walk = await claimCompose(db, 'c', lease, 0)
    expect(await closeShards(db, id, walk!.fence - 1)).toBe(false)
    expect(await closeShards(db, id, walk!.fence)).toBe(true)
    expect(await addCheckpoint(db, fenceOf(held!), segmentOf(0, [0, 3]))).toBe('lost')
    expect(await claim(db, id)).toEqual([])
  })

  test('a batch that is cancelled or over its window gives no shards, and its holders are told', async () => {
    const clock = handClock()
    await using db = await open(clock)
    const cancelled = await runningBatch(db, 1)
    const expired = await runningBatch(db, 1, { windowMs: 1000 })
    await cancelBatch(db, project, cancelled)
    await clock.advance(1001)
    expect(await openBatches(db, 'm', 100)).toEqual([])
    expect(await stoppedBatches(db, [cancelled, expired])).toEqual(
      new Map([
        [cancelled, 'cancelled'],
        [expired, 'expired'],
      ]),
    )
  })

  test('whoever takes over a data folder raises the fences of what the dead one held', async () => {
    await using db = await open()
    const id = await runningBatch(db, 1)
    const [held] = await claim(db, id)
    await takeOver(db)
    expect(await addCheckpoint(db, fenceOf(held!), segmentOf(0, [0, 3]))).toBe('lost')
    const [again] = await claim(db, id, 'b')
    expect(again!.fence).toBeGreaterThan(held!.fence)
  })

  test('nothing is claimed of a batch that waits for its plan', async () => {
    await using db = await open()
    const id = await newBatch(db)
    expect(await claim(db, id)).toEqual([])
  })
})
