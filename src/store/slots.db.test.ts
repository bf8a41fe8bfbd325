import { describe, expect, test } from 'vitest'
import { databases } from '../../test/support/databases.ts'
import { handClock } from '../../test/support/hand-clock.ts'
import type { Db } from './db.ts'
import { dropSlots, settleSlots } from './slots.ts'
import { countWorkers, forgetWorker, noteWorker } from './workers.ts'

const leaseMs = 15_000
const ask = (db: Db, owner: string, wanted: number, use: { cap?: number; inFlight?: number; ceiling?: number } = {}) =>
  settleSlots(db, { backend: 'http://b', ceiling: 10, owner, cap: 0, inFlight: 0, wanted, leaseMs, ...use })

describe.each(Object.entries(databases))('%s', (_, open) => {
  test('a worker alone has the whole ceiling; one that joins gets its part when the first has come down to it', async () => {
    await using db = await open()
    expect(await ask(db, 'a', 10)).toEqual({ granted: 10, cap: 10 })
    expect(await ask(db, 'b', 10)).toEqual({ granted: 0, cap: 0 })
    expect(await ask(db, 'a', 10, { cap: 10, inFlight: 10 })).toEqual({ granted: 10, cap: 5 })
    expect(await ask(db, 'a', 10, { cap: 5, inFlight: 7 })).toEqual({ granted: 7, cap: 5 })
    expect(await ask(db, 'b', 10)).toEqual({ granted: 3, cap: 3 })
    expect(await ask(db, 'a', 10, { cap: 5, inFlight: 5 })).toEqual({ granted: 5, cap: 5 })
    expect(await ask(db, 'b', 10, { cap: 3, inFlight: 3 })).toEqual({ granted: 5, cap: 5 })
  })

  test('many that ask at once never get more than there is', async () => {
    await using db = await open()
    const got = await Promise.all(Array.from({ length: 8 }, (__, i) => ask(db, `w${i}`, 4)))
    expect(got.reduce((sum, { granted }) => sum + granted, 0)).toBeLessThanOrEqual(10)
    const again = await Promise.all(got.map(({ cap }, i) => ask(db, `w${i}`, 4, { cap, inFlight: cap })))
    expect(again.reduce((sum, { granted }) => sum + granted, 0)).toBe(10)
  })

  test('what a dead one held is free when its lease has ended, and one that comes back late has only what it still has in flight', async () => {
    const clock = handClock()
    await using db = await open(clock)
    await ask(db, 'a', 10)
    await clock.advance(leaseMs)
    expect(await ask(db, 'b', 8)).toEqual({ granted: 8, cap: 8 })
    expect(await ask(db, 'a', 10, { cap: 10, inFlight: 4 })).toMatchObject({ granted: 4 })
    await dropSlots(db, 'b')
    expect(await ask(db, 'a', 10, { cap: 4 })).toEqual({ granted: 10, cap: 10 })
  })

  test('backends are counted apart, and workers are counted while they say that they are there', async () => {
    const clock = handClock()
    await using db = await open(clock)
    await ask(db, 'a', 10)
    expect(await settleSlots(db, { backend: 'http://c', ceiling: 2, owner: 'b', cap: 0, inFlight: 0, wanted: 9, leaseMs })).toEqual({ granted: 2, cap: 2 }) // prettier-ignore
    for (const owner of ['a', 'b', 'c']) await noteWorker(db, owner, leaseMs)
    await forgetWorker(db, 'c')
    await clock.advance(leaseMs - 1)
    await noteWorker(db, 'a', leaseMs)
    expect(await countWorkers(db)).toBe(2)
    await clock.advance(2)
    expect(await countWorkers(db)).toBe(1)
  })
})
