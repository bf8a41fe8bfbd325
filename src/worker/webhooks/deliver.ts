/** Tells projects of their batches: each event is tried until the webhook takes it, or for a day. It holds up nothing, and nothing but a webhook of the same address holds it up. */
import { FetchError } from '../../domain/fetch-error.ts'
import { eventBody, pauseAfter, secretsAt, signedHeaders, type Delivery, type Webhook } from '../../domain/webhook.ts'
import { forever } from '../../kit/forever.ts'
import { claimDeliveries, dropOrphans, giveBackTry, noteTry } from '../../store/deliveries.ts'
import { loadWebhooks, setDisabled } from '../../store/webhooks.ts'
import type { WorkerParts } from '../parts.ts'

const atOnce = 32
/** Of one webhook at once. */
const each = 4
const lookMs = 1000
/** How much longer than a try may take it is this worker's. */
const spareMs = 15_000
/** The answer of somebody who wants no more of it (Standard Webhooks). */
const gone = 410

type DeliverParts = Pick<WorkerParts, 'db' | 'clock' | 'log' | 'events' | 'random' | 'webhooks'>

export interface Deliverer {
  /** Resolves when it was stopped, and no call is open. */
  run(signal: AbortSignal): Promise<void>
}

export function makeDeliverer({ db, clock, log, events, random, webhooks }: DeliverParts): Deliverer {
  const { tryMs, signingKeys } = webhooks
  const open = new Map<string, number>()
  const calls = new Set<Promise<void>>()

  async function post(webhook: Webhook, delivery: Delivery, signal: AbortSignal): Promise<number> {
    const body = eventBody(delivery)
    const now = clock.now()
    const headers = {
      'content-type': 'application/json',
      ...signedHeaders(delivery.eventId, body, secretsAt(await signingKeys(), webhook, now), now),
    }
    return webhooks.post(webhook.url, { headers, body }, signal)
  }

  async function deliver(webhook: Webhook, delivery: Delivery, signal: AbortSignal): Promise<void> {
    if (webhook.disabledAt !== null) {
      const error = 'the webhook was turned off'
      await noteTry(db, delivery, { delivered: false, status: null, error, pauseMs: null })
      return events.eventTold(delivery, 'failed', error)
    }
    const pauseMs = pauseAfter(delivery.attempts, random())
    try {
      const status = await post(webhook, delivery, signal)
      const delivered = status >= 200 && status < 300
      const error = delivered ? null : `it answered ${status}`
      await noteTry(db, delivery, { delivered, status, error, pauseMs: status === gone ? null : pauseMs })
      if (status === gone) await setDisabled(db, webhook.id, true)
      events.eventTold(delivery, delivered ? 'delivered' : pauseMs === null || status === gone ? 'failed' : 'again', error)
    } catch (error) {
      if (signal.aborted) return giveBackTry(db, delivery)
      if (!(error instanceof FetchError)) throw error
      await noteTry(db, delivery, { delivered: false, status: null, error: error.message, pauseMs })
      events.eventTold(delivery, pauseMs === null ? 'failed' : 'again', error.message)
    }
  }

  async function step(signal: AbortSignal): Promise<number> {
    const room = atOnce - calls.size
    if (room <= 0) return lookMs
    const except = [...open].filter(([, count]) => count >= each).map(([id]) => id)
    const due = await claimDeliveries(db, { leaseMs: tryMs + spareMs, limit: room, each, except })
    const known = await loadWebhooks(db, [...new Set(due.map(({ webhookId }) => webhookId))])
    for (const delivery of due) {
      const webhook = known.find(({ id }) => id === delivery.webhookId)
      if (webhook) begin(webhook, delivery, signal)
      else await dropOrphans(db, delivery.webhookId)
    }
    return due.length === room ? 0 : lookMs
  }

  function begin(webhook: Webhook, delivery: Delivery, signal: AbortSignal): void {
    open.set(webhook.id, (open.get(webhook.id) ?? 0) + 1)
    const call = deliver(webhook, delivery, signal)
      .catch((error: unknown) => log.warn('an event could not be told; it is tried again', { webhook: webhook.id, error }))
      .finally(() => {
        const left = (open.get(webhook.id) ?? 1) - 1
        if (left > 0) open.set(webhook.id, left)
        else open.delete(webhook.id)
        calls.delete(call)
      })
    calls.add(call)
  }

  return {
    async run(signal) {
      await forever('deliverer', step, { clock, log, random }, signal)
      await Promise.all(calls)
    },
  }
}
