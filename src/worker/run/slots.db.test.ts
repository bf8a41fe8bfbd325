import { expect, onTestFinished, test } from 'vitest'
import { databases } from '../../../test/support/databases.ts'
import { handClock } from '../../../test/support/hand-clock.ts'
import type { BackendStatus, Dispatcher, Feed } from '../../dispatch/feed.ts'
import type { BatchRun } from './batch-run.ts'
import { makeSlots } from './slots.ts'

test.each(Object.entries(databases))(
  '%s: a worker that could not settle for longer than its lease goes on when it has',
  async (_, openDb) => {
    const clock = handClock()
    const db = await openDb(clock)
    onTestFinished(() => db[Symbol.asyncDispose]())
    const woken: Feed[] = []
    const backend: BackendStatus = { url: 'b', models: ['m'], state: 'open', trouble: null, inFlight: 0, limit: 8, most: 8 }
    const dispatcher: Pick<Dispatcher, 'backends' | 'setCeiling' | 'wake'> = {
      backends: () => [backend],
      setCeiling() {},
      wake: (feed) => void woken.push(feed),
    }
    const slots = makeSlots({ db, dispatcher: dispatcher as Dispatcher, clock, owner: 'w', leaseMs: 15_000 })
    const run = { model: 'm', left: 3 } as BatchRun
    await slots.settle([], [run])
    expect(slots.fresh).toBe(true)
    await clock.advance(14_000)
    expect(slots.fresh).toBe(false)
    woken.length = 0
    await slots.settle([], [run])
    expect(slots.fresh).toBe(true)
    expect(woken).toEqual([run])
  },
)
