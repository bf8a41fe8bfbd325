import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { newBatch, project } from '../../test/support/batch-rows.ts'
import { databases } from '../../test/support/databases.ts'
import type { BatchId, KeyId } from '../domain/ids.ts'
import { listBatches } from './batches.ts'
import { createBatches, type CreateAsk } from './create-batches.ts'
import { bodyMark, markAnswered } from './creates.ts'
import type { Db } from './db.ts'
import { gather } from './gather.ts'

const now = 1_800_000_000_000
const minute = 60_000
const keyId = 'k' as KeyId

function ask({
  what = 'a',
  byKey = null as string | null,
  isRepeat = false,
  at = now,
  whose = keyId,
  openAtMost = null as number | null,
} = {}): CreateAsk {
  const batch = { id: randomUUID() as BatchId, projectId: project, keyId: whose, endpoint: 'e', input: 'file-x', completionWindow: '24h', metadata: null, outputExpiresSeconds: null, createdAt: at, expiresAt: at + 86_400_000 } // prettier-ignore
  return { batch, bodyHash: what, byKey, byBody: `body:${what}`, isRepeat, openAtMost }
}

describe.each(Object.entries(databases))('%s', (_, open) => {
  async function creator() {
    const db: Db = await open()
    await newBatch(db)
    const create = gather(db, createBatches, 20)
    const count = async () => (await listBatches(db, project, null, 1000)).length - 1
    return { db, create, count, [Symbol.asyncDispose]: () => db[Symbol.asyncDispose]() }
  }

  test('of twenty at once as many are made as may be open, whoever makes them; a repeat of one that was made is known', async () => {
    await using c = await creator()
    const alone = (one: CreateAsk) => c.db.tx((tx) => createBatches(tx, [one])).then(([answer]) => answer!)
    const asks = Array.from({ length: 20 }, (_, i) => ask({ what: `${i}`, byKey: `key:${i}`, openAtMost: 6 }))
    const answers = await Promise.all(asks.map((one, i) => (i % 2 ? alone(one) : c.create(one))))
    expect(answers.map(({ kind }) => kind).toSorted()).toEqual([...Array(15).fill('full'), ...Array(5).fill('made')])
    expect(await c.count()).toBe(5) // NOTE: one was open before
    const made = answers.findIndex(({ kind }) => kind === 'made')
    expect(await c.create(ask({ what: `${made}`, byKey: `key:${made}`, openAtMost: 6 }))).toMatchObject({ kind: 'known' })
  })

  test('fifty at once under one key make one batch, and all are told which', async () => {
    await using c = await creator()
    const answers = await Promise.all(Array.from({ length: 50 }, () => c.create(ask({ byKey: 'key:1' }))))
    expect(answers.filter(({ kind }) => kind === 'made')).toHaveLength(1)
    const ids = answers.map((a) => (a.kind === 'made' ? a.batch.id : a.kind === 'known' ? a.id : a.kind))
    expect(new Set(ids).size).toBe(1)
    expect(await c.count()).toBe(1)
  })

  test('fifty equal ones without a key make fifty, each as it was asked for', async () => {
    await using c = await creator()
    const asks = Array.from({ length: 50 }, () => ask())
    const answers = await Promise.all(asks.map(c.create))
    expect(answers.map((a) => a.kind === 'made' && a.batch)).toMatchObject(asks.map(({ batch }) => ({ id: batch.id, status: 'validating', createdAt: now }))) // prettier-ignore
    expect(await c.count()).toBe(50)
  })

  test('under a key that another body has, one is refused, beside others that are made', async () => {
    await using c = await creator()
    const answers = await Promise.all([
      c.create(ask({ byKey: 'key:1' })),
      c.create(ask({ byKey: 'key:1', what: 'b' })),
      c.create(ask({ byKey: 'key:2', what: 'b' })),
      c.create(ask({ byKey: 'key:1', what: 'b', whose: 'other' as KeyId })),
    ])
    expect(answers.map(({ kind }) => kind)).toEqual(['made', 'mismatch', 'made', 'made'])
    expect(await c.count()).toBe(3)
  })

  test('a key stands for a day', async () => {
    await using c = await creator()
    const day = 24 * 60 * minute
    const kinds = []
    for (const at of [now, now + day - 1, now + day]) kinds.push((await c.create(ask({ byKey: 'key:1', at }))).kind)
    expect(kinds).toEqual(['made', 'known', 'made'])
  })

  test('a repeat finds the batch of a create whose answer may not have arrived, also one that is made beside it', async () => {
    await using c = await creator()
    await c.create(ask({ what: 'first' }))
    const [other, original, repeat, again] = await Promise.all([
      c.create(ask({ what: 'b' })),
      c.create(ask()),
      c.create(ask({ isRepeat: true })),
      c.create(ask({ isRepeat: true, at: now + 9 * minute })),
    ])
    if (original.kind !== 'made') throw new Error('not made')
    expect(other.kind).toBe('made')
    expect([repeat, again]).toEqual([
      { kind: 'known', id: original.batch.id },
      { kind: 'known', id: original.batch.id },
    ])
    expect((await c.create(ask({ isRepeat: true, at: now + 10 * minute }))).kind).toBe('made')
  })

  test('a repeat of one whose answer has arrived is a create of its own', async () => {
    await using c = await creator()
    const first = await c.create(ask())
    if (first.kind !== 'made') throw new Error('not made')
    await markAnswered(c.db, keyId, bodyMark('body:a', first.batch.id))
    const second = await c.create(ask({ isRepeat: true, at: now + 1 }))
    expect(second.kind).toBe('made')
    expect(await c.create(ask({ isRepeat: true, at: now + 2 }))).toMatchObject({ kind: 'known' })
  })
})
