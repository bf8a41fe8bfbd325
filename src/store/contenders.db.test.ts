/**
 * What a database with one writer cannot show: two that contend for the same thing on PostgreSQL, statement by statement, in all orders (docs/proof.md says which proof covers
 * what). Each order has a database state of its own making; what must hold afterwards does not depend on the order.
 */
import { describe, expect, onTestFinished, test } from 'vitest'
import { newBatch, project, runningBatch, segmentOf } from '../../test/support/batch-rows.ts'
import { newPostgres } from '../../test/support/databases.ts'
import { interleave, orders, type Contender } from '../../test/support/interleave.ts'
import type { BatchId, FileId, KeyId } from '../domain/ids.ts'
import { noSums } from '../domain/usage.ts'
import { cancelBatch, findBatch, loadBatch } from './batches.ts'
import { createBatches, type CreateAsk } from './create-batches.ts'
import type { Db } from './db.ts'
import { outputsOf, reserveOutputs, type ComposeWalk, type OutputName } from './outputs.ts'
import type { Publication } from './publish.ts'
import { addCheckpoint, closedShards, finishShards } from './segments.ts'
import { claimShards, claimShort, closeShards, doneLines, giveBackShards, openBatches, renewShards } from './shards.ts'
import { settleSlots } from './slots.ts'
import { announceUpload, takeLapsedUploads, walkOwner } from './uploads.ts'
import { endOwner, refuseBatch } from './walks.ts'
import { claimCompose, claimPlan, finishShard, publishBatch, startBatch } from '../../test/support/one.ts'

const server = process.env.NIGHTSHIFT_TEST_POSTGRES
const lease = 600_000
/** Where there are more, so many of them, from the first to the last at equal distances. ORDERS=10000 for all. */
const ordersAtMost = Number(process.env.ORDERS ?? 40)

async function inAllOrders<S, A, B>(meet: {
  prepare: (db: Db) => Promise<S>
  a: (s: S) => Contender<A>
  b: (s: S) => Contender<B>
  after: (db: Db, s: S, a: A, b: B, order: string) => Promise<void>
}): Promise<void> {
  const { db, url, drop } = await newPostgres(server ?? '')
  onTestFinished(drop)
  const run = async (order: string) => {
    const s = await meet.prepare(db)
    const met = await interleave(db, url, meet.a(s), meet.b(s), order)
    const [a, b] = met.results
    if (a.status === 'rejected') throw new Error(`a failed in the order ${met.done}`, { cause: a.reason })
    if (b.status === 'rejected') throw new Error(`b failed in the order ${met.done}`, { cause: b.reason })
    await meet.after(db, s, a.value, b.value, met.done)
    return met.steps
  }
  const [most, least] = [await run(''), await run('b'.repeat(20))]
  const all = orders(Math.max(most[0], least[0]), Math.max(most[1], least[1]))
  expect(all.length).toBeGreaterThan(1)
  const each = Math.max(1, all.length / ordersAtMost)
  for (let i = 0; i < all.length; i += each) await run(all[Math.floor(i)] ?? '')
}

const claim = async (db: Db, id: BatchId, owner: string, leaseMs = lease, limit = 10) => {
  const open = (await openBatches(db, 'm', 1000)).find((batch) => batch.id === id)
  if (!open) throw new Error('not open')
  return claimShards(db, open, owner, leaseMs, limit)
}
const claiming =
  (id: BatchId, owner: string, limit = 10): Contender<number[]> =>
  async (db) =>
    (await claim(db, id, owner, lease, limit)).map(({ number }) => number)

/** A batch with one shard, held by `old` under a lease that has run out. */
async function lapsedShard(db: Db) {
  const id = await runningBatch(db, 1)
  const [held] = await claim(db, id, 'old', -1000)
  if (!held) throw new Error('nothing to claim')
  return { id, held }
}

/** The same, of a batch that is cancelled and about to be composed. */
async function closingShard(db: Db) {
  const s = await lapsedShard(db)
  await cancelBatch(db, project, s.id)
  const walk = await claimCompose(db, 'c', lease, -1)
  return { ...s, fence: walk?.fence ?? 0 }
}

/** The walk of a batch that was cancelled and is about to be composed. */
async function cancelledWalk(db: Db, leaseMs = lease): Promise<ComposeWalk> {
  const batchId = await runningBatch(db, 1)
  await cancelBatch(db, project, batchId)
  const walk = await claimCompose(db, 'c', leaseMs, -1)
  return { projectId: project, batchId, fence: walk?.fence ?? 0, leaseMs }
}
const cancelledWith: Publication = {
  ending: 'cancelled',
  outputFileId: null,
  errorFileId: null,
  sums: noSums,
  files: [],
  objects: [],
  objectsExpireAt: null,
  layout: null,
}

/** A batch with one shard, held by an owner of its own, `o-{id}`. */
async function ownShard(db: Db) {
  const id = await runningBatch(db, 1)
  const [held] = await claim(db, id, `o-${id}`)
  return { id, held: held! }
}

/** A batch whose only shard is done, being composed, with a result file announced. */
async function composing(db: Db, leaseMs = lease) {
  const id = await runningBatch(db, 1)
  const [held] = await claim(db, id, 'w')
  await finishShard(db, held!, 10, segmentOf(0, [0, 9]))
  const walk = await claimCompose(db, 'c', lease, 0)
  if (walk?.batch.id !== id) throw new Error('another batch')
  const blob = `p1/${id}`
  await announceUpload(db, { blob, owner: walkOwner(id, walk.fence), leaseMs })
  const file = { id: `file-${id}` as FileId, projectId: project, purpose: 'batch_output', filename: 'f', bytes: 1, blob, createdAt: 1, expiresAt: null, batchId: id } // prettier-ignore
  const publication: Publication = { ending: 'completed', outputFileId: file.id, errorFileId: null, sums: { ...noSums, completed: 10 }, files: [file], objects: [], objectsExpireAt: null, layout: null } // prettier-ignore
  return { id, walk, blob, publication }
}

describe.runIf(server)('on PostgreSQL, in all orders of statements', { timeout: 300_000 }, () => {
  test('two claims get each shard once, and all of them', () =>
    inAllOrders({
      prepare: (db) => runningBatch(db, 3),
      a: (id) => claiming(id, 'a', 2),
      b: (id) => claiming(id, 'b', 2),
      after: async (db, id, a, b) => {
        const rest = await claiming(id, 'c')(db)
        expect([...a, ...b, ...rest].toSorted((x, y) => x - y)).toEqual([0, 1, 2])
      },
    }))

  test('a checkpoint and a claim of the lapsed shard: it counts and the next holder knows it, or it is lost', () =>
    inAllOrders({
      prepare: lapsedShard,
      a:
        ({ held }) =>
        (db) =>
          addCheckpoint(db, held, segmentOf(0, [0, 4])),
      b:
        ({ id }) =>
        (db) =>
          claim(db, id, 'new'),
      after: async (db, { id }, a, b) => {
        const lines = a === 'committed' ? [[0, 4]] : []
        expect(await doneLines(db, id, 0)).toEqual(lines)
        for (const taken of b) expect(taken.done).toEqual(lines)
        expect((await findBatch(db, project, id))?.sums.completed).toBe(a === 'committed' ? 5 : 0)
      },
    }))

  test('a checkpoint and the closing of the shards: it is composed, or lost', () =>
    inAllOrders({
      prepare: closingShard,
      a:
        ({ held }) =>
        (db) =>
          addCheckpoint(db, held, segmentOf(0, [0, 4])),
      b:
        ({ id, fence }) =>
        async (db) => {
          expect(await closeShards(db, id, fence)).toBe(true)
          return closedShards(db, id, -1, 10)
        },
      after: async (_, __, a, [closed]) => {
        expect(closed?.segments.length).toBe(a === 'committed' ? 1 : 0)
      },
    }))

  test('the end of a shard and the closing of the shards: its last segment is composed, or lost', () =>
    inAllOrders({
      prepare: closingShard,
      a:
        ({ held }) =>
        (db) =>
          finishShard(db, held, 10, segmentOf(0, [0, 9])),
      b:
        ({ id, fence }) =>
        async (db) => {
          await closeShards(db, id, fence)
          return closedShards(db, id, -1, 10)
        },
      after: async (_, __, a, [closed]) => {
        expect(closed?.segments.length).toBe(a === 'committed' ? 1 : 0)
      },
    }))

  test('a giving back and a renewal: the shard waits, or is held', () =>
    inAllOrders({
      prepare: ownShard,
      a:
        ({ held }) =>
        (db) =>
          giveBackShards(db, [held]),
      b:
        ({ id }) =>
        (db) =>
          renewShards(db, `o-${id}`, lease),
      after: async (db, { id }) => {
        expect((await claim(db, id, 'next')).map(({ number }) => number)).toEqual([0])
      },
    }))

  test('the end of a dead owner and a checkpoint of it that was on its way: it counts, or is lost, and the shard is free', () =>
    inAllOrders({
      prepare: ownShard,
      a:
        ({ held }) =>
        (db) =>
          addCheckpoint(db, held, segmentOf(0, [0, 4])),
      b:
        ({ id }) =>
        (db) =>
          endOwner(db, `o-${id}`),
      after: async (db, { id }, a) => {
        const [taken] = await claim(db, id, 'next')
        expect(taken?.done).toEqual(a === 'committed' ? [[0, 4]] : [])
      },
    }))

  test('two that plan get one batch once', () =>
    inAllOrders({
      prepare: async (db) => newBatch(db),
      a: () => (db) => claimPlan(db, 'a', lease),
      b: () => (db) => claimPlan(db, 'b', lease),
      after: async (db, id, a, b) => {
        expect([a, b].filter(Boolean)).toHaveLength(1)
        await refuseBatch(db, id, (a ?? b)?.fence ?? 0, [])
      },
    }))

  test('two that compose get one batch once', () =>
    inAllOrders({
      prepare: async (db) => {
        const id = await runningBatch(db, 1)
        await finishShard(db, (await claim(db, id, 'w'))[0]!, 10, segmentOf(0, [0, 9]))
        return id
      },
      a: () => (db) => claimCompose(db, 'a', lease, 0),
      b: () => (db) => claimCompose(db, 'b', lease, 0),
      after: async (_, id, a, b) => {
        expect([a, b].map((walk) => walk?.batch.id).filter(Boolean)).toEqual([id])
      },
    }))

  test('the start of a batch and its cancel: one of them sees the other', () =>
    inAllOrders({
      prepare: async (db) => {
        const id = await newBatch(db)
        const walk = await claimPlan(db, 'p', lease)
        return { id, fence: walk?.fence ?? 0 }
      },
      a: ({ id, fence }) => (db) => startBatch(db, id, fence, { blob: 'b', bytes: 1, lines: 1, tokens: 0, cost: 0, model: 'm', shards: [{ number: 0, offset: 0, bytes: 1, lines: 1 }] }), // prettier-ignore
      b:
        ({ id }) =>
        (db) =>
          cancelBatch(db, project, id),
      after: async (db, { id }, started, cancelled) => {
        expect(cancelled).toBe(true)
        expect(await findBatch(db, project, id)).toMatchObject({ status: 'cancelling', total: started ? 1 : 0 })
      },
    }))

  test('publishing and a cancel: published whole, or not at all', () =>
    inAllOrders({
      prepare: composing,
      a:
        ({ id, walk, publication }) =>
        async (db) =>
          publishBatch(db, (await loadBatch(db, id)) ?? walk.batch, walk.fence, publication),
      b:
        ({ id }) =>
        (db) =>
          cancelBatch(db, project, id),
      after: async (db, { id, publication }, published, cancelled) => {
        const batch = await findBatch(db, project, id)
        if (published) expect(batch).toMatchObject({ status: 'completed', outputFileId: publication.outputFileId })
        else expect(batch).toMatchObject({ status: 'cancelling', outputFileId: null })
        expect(cancelled).toBe(!published || batch?.cancellingAt !== null)
      },
    }))

  test('publishing and the janitor who wants the result file: one of them has it', () =>
    inAllOrders({
      prepare: (db) => composing(db, -1000),
      a:
        ({ walk, publication }) =>
        (db) =>
          publishBatch(db, walk.batch, walk.fence, publication).catch(() => false),
      b: () => (db) => takeLapsedUploads(db, 'janitor', 1000),
      after: async (db, { id, blob }, published, taken) => {
        expect(taken.includes(blob)).toBe(!published)
        expect((await findBatch(db, project, id))?.status).toBe(published ? 'completed' : 'in_progress')
      },
    }))

  test('two batches over one input: each has both names or none', () =>
    inAllOrders({
      prepare: async (db) => {
        const [a, b] = [await cancelledWalk(db), await cancelledWalk(db)]
        const key = `in/${a.batchId}`
        const names = (['output', 'error'] as const).map((kind): OutputName => ({
          store: 's',
          bucket: 'b',
          key: `${key}-${kind}`,
          kind,
        }))
        return { a, b, names }
      },
      a:
        ({ a, names }) =>
        (db) =>
          reserveOutputs(db, a, names),
      b:
        ({ b, names }) =>
        (db) =>
          reserveOutputs(db, b, names),
      after: async (db, { a, b }, first, second) => {
        expect([first, second].toSorted()).toEqual(['reserved', 'taken'])
        const counts = [(await outputsOf(db, a.batchId)).length, (await outputsOf(db, b.batchId)).length]
        expect(counts).toEqual(first === 'reserved' ? [2, 0] : [0, 2])
      },
    }))

  test('a late composer reserves no name for a batch that another has ended', () =>
    inAllOrders({
      prepare: (db) => cancelledWalk(db, -1000),
      a: (walk) => (db) => reserveOutputs(db, walk, [{ store: 's', bucket: 'b', key: walk.batchId, kind: 'output' }]),
      b: () => async (db) => {
        const walk = await claimCompose(db, 'b', lease, -1)
        return walk !== null && publishBatch(db, walk.batch, walk.fence, cancelledWith)
      },
      after: async (db, { batchId }, reserved, published) => {
        if (published) expect(await outputsOf(db, batchId)).toEqual([])
        else expect(reserved).toBe('reserved')
      },
    }))

  test('two claims of slots never pass the ceiling', () =>
    inAllOrders({
      prepare: (db) => newBatch(db),
      a: (id) => (db) =>
        settleSlots(db, { backend: id, ceiling: 10, owner: 'a', cap: 0, inFlight: 0, wanted: 8, leaseMs: lease }),
      b: (id) => (db) =>
        settleSlots(db, { backend: id, ceiling: 10, owner: 'b', cap: 0, inFlight: 0, wanted: 8, leaseMs: lease }),
      after: async (_, __, a, b) => {
        expect(a.granted + b.granted).toBe(10)
        expect([a.granted, b.granted].toSorted((x, y) => x - y)).toEqual([2, 8])
      },
    }))

  test('two creates under one key make one batch', () =>
    inAllOrders({
      prepare: async (db) => String(await newBatch(db)),
      a: (what) => creating([{ what, byKey: 'k' }]),
      b: (what) => creating([{ what, byKey: 'k' }]),
      after: async (_, __, [a], [b]) => {
        expect(a).toBe(b)
      },
    }))

  test('a create and its repeat, whose answers are on their way, make one batch, or the repeat came first', () =>
    inAllOrders({
      prepare: async (db) => String(await newBatch(db)),
      a: (what) => creating([{ what }]),
      b: (what) => creating([{ what, isRepeat: true }]),
      after: async (db, what, [first], [second]) => {
        const body = `body:${what}`
        const rows = await db.query(`select mark from creates where mark > $1 and mark < $2`, [`${body}:`, `${body};`])
        expect(rows.map(({ mark }) => String(mark).slice(body.length + 1)).toSorted()).toEqual(
          [...new Set([String(first), String(second)])].toSorted(),
        )
        const [later] = await creating([{ what, isRepeat: true }])(db)
        expect([first, second]).toContain(later)
      },
    }))

  test('equal creates that are no repeats do not wait for each other, and make two batches', () =>
    inAllOrders({
      prepare: async (db) => String(await newBatch(db)),
      a: (what) => creating([{ what }]),
      b: (what) => creating([{ what }]),
      after: async (_, __, [a], [b]) => {
        expect(a).not.toBe(b)
      },
    }))

  test('creates that are made together, here and elsewhere, each make one batch a key, whatever their order', () =>
    inAllOrders({
      prepare: async (db) => String(await newBatch(db)),
      a: (what) => creating([{ what, byKey: 'x' }, { what, byKey: 'y' }, { what }]), // prettier-ignore
      b: (what) => creating([{ what, byKey: 'y' }, { what, byKey: 'x' }, { what, byKey: 'y' }]), // prettier-ignore
      after: async (_, __, a, b) => {
        expect([b[1], b[0], b[2]]).toEqual([a[0], a[1], a[1]])
        expect(new Set([...a, ...b]).size).toBe(3)
      },
    }))

  test('short batches that two claim together are each held by one', () =>
    inAllOrders({
      prepare: async (db) => [await runningBatch(db, 1), await runningBatch(db, 1)],
      a: (ids) => claimingShort(ids, 'a'),
      b: (ids) => claimingShort(ids, 'b'),
      after: async (_, ids, a, b) => {
        expect([...a, ...b].toSorted()).toEqual(ids)
      },
    }))

  test('shards that are finished together, and one of them claimed by another when its lease has run out', () =>
    inAllOrders({
      prepare: async (db) => [await lapsedShard(db), await lapsedShard(db)] as const,
      a: (both) => (db) => db.tx((tx) => finishShards(tx, both.map(({ held }) => ({ held, segment: segmentOf(0, [0, 9]) })))), // prettier-ignore
      b: ([{ id }]) => claiming(id, 'next'),
      after: async (db, [one, two], [first, second], taken) => {
        expect(second).toBe('committed')
        expect(taken).toEqual(first === 'lost' ? [0] : [])
        expect((await findBatch(db, project, one.id))?.sums.completed).toBe(first === 'lost' ? 0 : 10)
        expect((await findBatch(db, project, two.id))?.sums.completed).toBe(10)
      },
    }))
})

const claimingShort =
  (ids: readonly BatchId[], owner: string): Contender<string[]> =>
  async (db) => {
    const open = (await openBatches(db, 'm', 1000)).filter(({ id }) => ids.includes(id))
    return (await claimShort(db, open, owner, lease, 8)).map(({ batchId }) => batchId)
  }

let created = 0
/** As the API makes them: the ids of their batches. */
const creating =
  (asks: readonly { what: string; byKey?: string; isRepeat?: boolean }[]): Contender<string[]> =>
  async (db) => {
    const made = asks.map(({ what, byKey, isRepeat = false }): CreateAsk => {
      const id = `${what}-${created++}` as BatchId
      const batch = { id, projectId: project, keyId: 'k' as KeyId, endpoint: 'e', input: 'file-x', completionWindow: '24h', metadata: null, outputExpiresSeconds: null, createdAt: Date.now(), expiresAt: 1 } // prettier-ignore
      return {
        batch,
        bodyHash: what,
        byKey: byKey === undefined ? null : `key:${what} ${byKey}`,
        byBody: `body:${what}`,
        isRepeat,
        openAtMost: null,
      }
    })
    return (await db.tx((tx) => createBatches(tx, made))).map((answer) => {
      if (answer.kind === 'mismatch' || answer.kind === 'full') throw new Error(answer.kind)
      return answer.kind === 'made' ? answer.batch.id : answer.id
    })
  }
