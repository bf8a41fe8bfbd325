import { describe, expect, onTestFinished, test } from 'vitest'
import { poll } from '../../../test/conformance/follow.ts'
import { databases } from '../../../test/support/databases.ts'
import type { ProjectId } from '../../domain/ids.ts'
import { makeEvents } from '../../events.ts'
import { systemClock as clock } from '../../kit/clock.ts'
import { silentLog } from '../../kit/log.ts'
import { makeMetrics } from '../../kit/metrics.ts'
import { findDelivery, insertDelivery } from '../../store/deliveries.ts'
import { insertWebhook, setDisabled } from '../../store/webhooks.ts'
import { makeDeliverer } from './deliver.ts'

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  test('an event for a webhook that is gone goes too; for one that was turned off it has failed, and nothing is sent', async () => {
    const db = await openDb()
    const stop = new AbortController()
    let posts = 0
    const deliverer = makeDeliverer({
      db,
      clock,
      log: silentLog,
      events: makeEvents({ log: silentLog, metrics: makeMetrics() }),
      random: () => 0,
      webhooks: { tryMs: 1000, signingKeys: async () => [Buffer.alloc(32)], post: async () => (posts++, 200) },
    })
    const delivery = { eventId: 'evt_1', type: 'batch.completed', subject: 'b' } as const
    const off = { id: 'wh_off', projectId: 'p' as ProjectId, url: 'https://listener.example/', events: [], secretNumber: 1, oldUntil: 0, createdAt: 0, disabledAt: null } // prettier-ignore
    await insertWebhook(db, off)
    await setDisabled(db, off.id, true)
    await insertDelivery(db, { ...delivery, webhookId: 'wh_gone' })
    await insertDelivery(db, { ...delivery, webhookId: off.id })
    const running = deliverer.run(stop.signal)
    onTestFinished(async () => {
      stop.abort()
      await running
      await db[Symbol.asyncDispose]()
    })
    await poll(() => findDelivery(db, 'wh_gone', 'evt_1'), (seen) => seen === null, 'the orphan goes') // prettier-ignore
    await poll(() => findDelivery(db, off.id, 'evt_1'), (seen) => seen?.state === 'failed', 'the other has failed') // prettier-ignore
    expect([posts, (await findDelivery(db, off.id, 'evt_1'))?.lastError]).toEqual([0, 'the webhook was turned off'])
  })
})
