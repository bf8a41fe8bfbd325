import { describe, expect, test } from 'vitest'
import { databases } from '../../test/support/databases.ts'
import { project, newBatch, runningBatch, segmentOf } from '../../test/support/batch-rows.ts'
import { claimPlan, noPrices } from '../../test/support/one.ts'
import { noSums } from '../domain/usage.ts'
import { findBatch } from './batches.ts'
import { DbUnavailable, type Db, type Queries } from './db.ts'
import { gather } from './gather.ts'
import { publishBatches, type Publication } from './publish.ts'
import { closedShards, finishShards } from './segments.ts'
import { claimShort, openBatches, type HeldFence } from './shards.ts'
import { claimComposes } from './walks.ts'
import { startBatches } from './starts.ts'

const lease = 60_000

describe.each(Object.entries(databases))('%s', (_, open) => {
  test('what is asked while a round is under way is one transaction, and each ask has its own answer', async () => {
    await using db = await open()
    const rounds: number[][] = []
    const twice = gather(
      db,
      async (_tx: Queries, asks: readonly number[]) => {
        rounds.push([...asks])
        return asks.map((n) => n * 2)
      },
      3,
    )
    expect(await Promise.all([1, 2, 3, 4, 5, 6].map(twice))).toEqual([2, 4, 6, 8, 10, 12])
    expect(rounds).toEqual([[1], [2, 3, 4], [5, 6]])
    expect(await twice(7)).toBe(14)
  })

  test('a round that fails is done again one by one: the error is told to whose it is, and nothing of it stays', async () => {
    await using db = await open()
    const insert = gather(
      db,
      async (tx: Queries, asks: readonly string[]) => {
        for (const blob of asks) {
          await tx.query(`insert into uploads (blob, owner, renewed_until) values ($1, 'o', 0)`, [blob])
          if (blob === 'bad') throw new Error('not this one')
        }
        return asks
      },
      10,
    )
    const ended = await Promise.allSettled(['first', 'a', 'bad', 'b'].map(insert))
    expect(ended.map((e) => (e.status === 'fulfilled' ? e.value : (e.reason as Error).message))).toEqual([
      'first',
      'a',
      'not this one',
      'b',
    ])
    const rows = await db.query(`select blob from uploads order by blob`)
    expect(rows.map((row) => row.blob)).toEqual(['a', 'b', 'first'])
  })

  test('while the database is away all of a round are told at once, and the next round is tried anew', async () => {
    await using db = await open()
    let tries = 0
    const away: Db = {
      ...db,
      tx: (work) => (tries++ < 2 ? Promise.reject(new DbUnavailable('away')) : db.tx(work)),
    }
    const ask = gather(away, async (_tx: Queries, asks: readonly number[]) => asks, 10)
    const ended = await Promise.allSettled([1, 2, 3].map(ask))
    expect(ended.map((e) => e.status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(tries).toBe(2)
    expect(await ask(4)).toBe(4)
  })

  /** Batches of one shard whose plan lies in its row. */
  async function short(db: Db, count: number) {
    const ids = []
    for (let i = 0; i < count; i++) ids.push(await newBatch(db))
    for (const id of ids) {
      const walk = await claimPlan(db, 'p', lease)
      if (walk?.batch.id !== id) throw new Error('another batch')
      const body = Buffer.alloc(100, String(i(id))).toString('base64')
      const plan = {
        blob: null,
        bytes: 100,
        lines: 10,
        tokens: 0,
        cost: 0,
        model: 'm',
        shards: [{ number: 0, offset: 0, bytes: 100, lines: 10, body }],
      }
      expect(await db.tx((tx) => startBatches(tx, [{ id, fence: walk.fence, plan }], noPrices))).toEqual(['started'])
    }
    return ids
  }
  const i = (id: string) => id.at(-1) ?? ''
  const fenceOf = ({ batchId, number, fence }: HeldFence): HeldFence => ({ batchId, number, fence })

  test('short batches are claimed together, each with its part of the plan, and none twice', async () => {
    await using db = await open()
    const ids = await short(db, 6)
    const batches = await openBatches(db, 'm', 100)
    expect(batches.map((b) => b.planBlob)).toEqual(ids.map(() => null))
    const got = await Promise.all(['a', 'b'].map((owner) => claimShort(db, batches, owner, lease, 24)))
    const leases = got.flat()
    expect(leases.map((l) => l.batchId).toSorted()).toEqual(ids)
    for (const { plan, batchId } of leases) expect(plan).toEqual(Buffer.alloc(100, i(batchId)))
    expect(await claimShort(db, batches, 'c', lease, 24)).toEqual([])
    await db.query(`update shards set lease_until = 0 where batch_id = $1`, [ids[0]!])
    expect(await claimShort(db, batches, 'd', lease, 24)).toMatchObject([{ batchId: ids[0], fence: 2 }])
  })

  test('of shards that are finished together each answers for itself: one whose fence is old is lost, one asked for again is committed', async () => {
    await using db = await open()
    const ids = await short(db, 3)
    const leases = await claimShort(db, await openBatches(db, 'm', 100), 'w', lease, 24)
    const [one, two, three] = leases.map((l) => fenceOf(l)) as [HeldFence, HeldFence, HeldFence]
    const segment = { ...segmentOf(0, [0, 9]), place: Buffer.from('x'.repeat(100)) }
    await db.query(`update shards set fence = fence + 1 where batch_id = $1`, [ids[1]!])
    const finish = (...held: HeldFence[]) => db.tx((tx) => finishShards(tx, held.map((h) => ({ held: h, segment })))) // prettier-ignore
    expect(await finish(one, two)).toEqual(['committed', 'lost'])
    expect(await finish(three, one)).toEqual(['committed', 'committed'])
    for (const id of [ids[0]!, ids[2]!]) {
      const [shard] = await closedShards(db, id, -1, 10)
      expect(shard).toMatchObject({ body: null, open: false, segments: [{ place: segment.place, outputBytes: 100 }] })
      expect((await findBatch(db, project, id))?.sums.completed).toBe(10)
    }
    expect((await closedShards(db, ids[1]!, -1, 10))[0]).toMatchObject({ open: true, segments: [] })
  })

  test('of batches that start or are published together, one whose fence is old changes nothing, and the others are whole', async () => {
    await using db = await open()
    const ids = [await newBatch(db), await newBatch(db)]
    const fences = [(await claimPlan(db, 'p', lease))!.fence, (await claimPlan(db, 'p', lease))!.fence]
    const plan = {
      blob: 'b',
      bytes: 100,
      lines: 10,
      tokens: 0,
      cost: 0,
      model: 'm',
      shards: [{ number: 0, offset: 0, bytes: 100, lines: 10 }],
    }
    const start = (at: number, fence: number) => ({ id: ids[at]!, fence, plan })
    const started = await db.tx((tx) =>
      startBatches(tx, [start(0, fences[0]!), start(1, fences[1]! - 1), start(1, fences[1]!)], noPrices),
    )
    expect(started).toEqual(['started', 'lost', 'started'])
    for (const id of ids) {
      const [batch] = (await openBatches(db, 'm', 10)).filter((b) => b.id === id)
      const [held] = await claimShort(db, [batch!], 'w', lease, 4)
      await db.tx((tx) => finishShards(tx, [{ held: held!, segment: segmentOf(0, [0, 9]) }]))
    }
    const walks = await claimComposes(db, 'c', { leaseMs: lease, graceMs: 0, few: 10, more: 0, among: ids })
    expect(walks.map((w) => w.batch.id)).toEqual(ids)
    const what: Publication = { ending: 'completed', outputFileId: null, errorFileId: null, sums: { ...noSums, completed: 10 }, files: [], objects: [], objectsExpireAt: null, layout: null } // prettier-ignore
    const [a, b] = walks.map(({ batch, fence }) => ({ batch, fence, what }))
    expect(await db.tx((tx) => publishBatches(tx, [{ ...a!, fence: a!.fence - 1 }, b!]))).toEqual([false, true])
    expect([(await findBatch(db, project, ids[0]!))?.status, (await findBatch(db, project, ids[1]!))?.status]).toEqual([
      'in_progress',
      'completed',
    ])
    const other = await runningBatch(db, 1)
    expect(await claimComposes(db, 'd', { leaseMs: lease, graceMs: 0, few: 10, more: 0, among: [other] })).toEqual([])
  })
})
