import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runningBatch } from '../../../test/support/batch-rows.ts'
import { databases } from '../../../test/support/databases.ts'
import { plan } from '../../../test/support/planned.ts'
import { openFolder } from '../../blobs/folder.ts'
import { noUsage } from '../../domain/usage.ts'
import { systemClock as clock } from '../../kit/clock.ts'
import type { Db } from '../../store/db.ts'
import { gather } from '../../store/gather.ts'
import { closedShards, finishShards } from '../../store/segments.ts'
import { claimShards, openBatches, type OpenBatch } from '../../store/shards.ts'
import { holdShard, type HeldShard, type Line } from './held-shard.ts'
import { makeSaver } from './saver.ts'
import { makeSlabs, type Slabs } from './slabs.ts'

const never = new AbortController().signal

const kinds = Object.entries(databases).flatMap(([name, open]) => [
  { name, open, short: false },
  { name: `${name}, a short shard`, open, short: true },
])

describe.each(kinds)('$name', ({ open: openDb, short }) => {
  /** A running batch with one shard of four lines, and whoever holds it. Of a short one the plan lies in its row. */
  async function open() {
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-saver-'))
    const db = await openDb()
    onTestFinished(async () => {
      await db[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })
    const scratch = openFolder(folder)
    const id = await runningBatch(db, 1)
    const bytes = plan([20, 20, 20, 20])
    await scratch.put('plan', bytes)
    const body = short ? bytes.toString('base64') : null
    await db.query(`update shards set lines = 4, bytes = $2, body = $3 where batch_id = $1`, [id, bytes.length, body])
    const [batch] = (await openBatches(db, 'm', 10)) as [OpenBatch]

    /** `lost`: how many answers of commits do not arrive. */
    async function hold(owner: string, { leaseMs = 60_000, bigBytes = 1e6 } = {}) {
      let lost = 0
      const troubles: string[] = []
      const given: Buffer[] = []
      const kept = makeSlabs(1e6)
      const slabs: Slabs = {
        take: () => kept.take(),
        give(spent) {
          for (const slab of spent) given.push(slab.fill(0xff)) // NOTE: whoever reads it yet shall see that
          kept.give(spent)
        },
      }
      const tx: Db['tx'] = async (work) => {
        const result = await db.tx(work)
        if (lost-- > 0) throw new Error('the answer to the commit was lost')
        return result
      }
      const [lease] = await claimShards(db, batch, owner, leaseMs, 1)
      if (!lease) throw new Error('nothing to claim')
      const shard = await new Promise<HeldShard>((resolve, failed) => {
        const held = holdShard(lease, Infinity, {
          scratch,
          requestId: () => 'r',
          monotonic: () => 0,
          slabs,
          atHand: () => resolve(held),
          failed,
        })
      })
      const troubled = (__: unknown, error: unknown) => void troubles.push((error as Error).message)
      const faulty = { ...db, tx }
      const finish = gather(faulty, finishShards, 10)
      const saver = makeSaver(
        { db: faulty, scratch, finish, shortBytes: 32_768, bigBytes, clock, random: () => 0, troubled, slabs },
        shard,
        'p',
      )
      return { shard, saver, troubles, given, lose: (answers: number) => void (lost = answers) }
    }
    /** What the committed rows say, as the files would have it. */
    async function results() {
      const [shard] = await closedShards(db, id, -1, 10)
      const segments = shard?.segments ?? []
      const read = async (place: string | Buffer, start: number, length: number) =>
        (typeof place === 'string'
          ? await scratch.readRange({ name: place, start, bytes: length })
          : place.subarray(start, start + length)
        ).toString()
      const texts = async (errors: boolean) =>
        (
          await Promise.all(
            segments.map((s) => (errors ? read(s.place, s.outputBytes, s.errorBytes) : read(s.place, 0, s.outputBytes))),
          )
        ).join('')
      const ids = (text: string) =>
        text
          .split('\n')
          .filter(Boolean)
          .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id)
      return { segments: segments.length, output: ids(await texts(false)), error: ids(await texts(true)) }
    }
    /** Of each segment: is it in its row? */
    async function inRows() {
      const [shard] = await closedShards(db, id, -1, 10)
      return shard?.segments.map((s) => typeof s.place !== 'string')
    }
    async function names(): Promise<string[]> {
      const found: string[] = []
      for await (const { name } of scratch.list('')) found.push(name)
      return found.toSorted()
    }
    return { db, hold, results, inRows, names }
  }

  const settle = (shard: HeldShard, line: Line | undefined, status = 200, body = '{}') => {
    if (!line) throw new Error('no line')
    shard.settle({ kind: 'answered', status, requestId: 'q', body: [Buffer.from(body)], usage: noUsage }, line)
  }

  test.each([
    [0, 'written', 1e6],
    [1, 'written', 1e6],
    [3, 'written', 1e6],
    [0, 'composed', 1],
    [3, 'composed', 1],
  ] as const)(
    'a finished shard has every line once, though %i answers of its last commit were lost; its checkpoints are %s anew',
    async (answers, _how, bigBytes) => {
      const { hold, results, names } = await open()
      const { shard, saver, troubles, lose } = await hold('w', { bigBytes })
      settle(shard, shard.take())
      settle(shard, shard.take(), 400)
      expect(await saver.checkpoint(never)).toBe('committed')
      settle(shard, shard.take())
      settle(shard, shard.take(), 400)
      lose(answers)
      expect(await saver.finish(never)).toBe('committed')
      expect(await results()).toEqual({ segments: 1, output: ['1', '3'], error: ['2', '4'] })
      expect(troubles).toHaveLength(Math.min(answers, 1))
      if (answers === 0) expect(await names()).toEqual([expect.stringMatching(/-1$/), 'plan'])
    },
  )

  test.each([0, 1])(
    'memory is given back once what lay in it is safe, unless a try has failed of this save or an earlier one (%i)',
    async (answers) => {
      const { hold, results } = await open()
      const { shard, saver, given, lose } = await hold('w')
      for (const status of [200, 200]) settle(shard, shard.take(), status)
      lose(answers)
      expect(await saver.checkpoint(never)).toBe('committed')
      for (const status of [400, 200]) settle(shard, shard.take(), status)
      expect(await saver.finish(never)).toBe('committed')
      expect(given).toHaveLength(answers === 0 ? 2 : 0)
      expect(await results()).toEqual({ segments: 1, output: ['1', '2', '4'], error: ['3'] })
    },
  )

  test('a checkpoint whose answer was lost counts once, and the shard goes on', async () => {
    const { hold, results } = await open()
    const { shard, saver, lose } = await hold('w')
    settle(shard, shard.take())
    lose(2)
    expect(await saver.checkpoint(never)).toBe('committed')
    for (const status of [200, 200, 400]) settle(shard, shard.take(), status)
    expect(await saver.finish(never)).toBe('committed')
    expect(await results()).toEqual({ segments: 1, output: ['1', '2', '3'], error: ['4'] })
  })

  test('a save that was given up may have been committed: nothing else is saved under its number', async () => {
    const { hold, results } = await open()
    const { shard, saver, troubles, lose } = await hold('w')
    settle(shard, shard.take())
    lose(Infinity)
    const giveUp = new AbortController()
    const saving = saver.checkpoint(giveUp.signal)
    settle(shard, shard.take(), 400)
    while (troubles.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    giveUp.abort(new Error('no time left'))
    await expect(saving).rejects.toThrow(/lost|no time left/)
    lose(0)
    await expect(saver.checkpoint(giveUp.signal)).rejects.toThrow('no time left')
    expect(await results()).toEqual({ segments: 1, output: ['1'], error: [] })
  })

  test('who comes back after another has finished the shard is told so at once, and changes nothing', async () => {
    const { db, hold, results } = await open()
    const late = await hold('late', { leaseMs: 0 })
    settle(late.shard, late.shard.take())
    expect(await late.saver.checkpoint(never)).toBe('committed')
    await db.query(`update shards set lease_until = 0`)
    const next = await hold('next')
    for (const status of [200, 200, 400]) settle(next.shard, next.shard.take(), status)
    expect(await next.saver.finish(never)).toBe('committed')
    for (const status of [200, 400, 400]) settle(late.shard, late.shard.take(), status)
    expect(await late.saver.finish(never)).toBe('lost')
    expect(late.troubles).toEqual([])
    expect(await results()).toEqual({ segments: 1, output: ['1', '2', '3'], error: ['4'] })
  })

  test.each([0, 2])(
    'results that were saved once only lie in the row of a short shard, though %i answers were lost',
    async (answers) => {
      const { hold, results, inRows } = await open()
      const { shard, saver, lose } = await hold('w')
      for (const status of [200, 400, 200, 200]) settle(shard, shard.take(), status)
      lose(answers)
      expect(await saver.finish(never)).toBe('committed')
      expect(await results()).toEqual({ segments: 1, output: ['1', '3', '4'], error: ['2'] })
      expect(await inRows()).toEqual([short])
    },
  )

  test('results that are long, or were saved before, lie in a blob', async () => {
    const long = await open()
    const one = await long.hold('w')
    for (let i = 0; i < 4; i++) settle(one.shard, one.shard.take(), 200, `"${'x'.repeat(9000)}"`)
    expect(await one.saver.finish(never)).toBe('committed')
    expect(await long.inRows()).toEqual([false])
    const twice = await open()
    const two = await twice.hold('w')
    settle(two.shard, two.shard.take())
    await two.saver.checkpoint(never)
    for (let i = 0; i < 3; i++) settle(two.shard, two.shard.take())
    expect(await two.saver.finish(never)).toBe('committed')
    expect(await twice.inRows()).toEqual([false])
    expect((await twice.results()).output).toEqual(['1', '2', '3', '4'])
  })
})
