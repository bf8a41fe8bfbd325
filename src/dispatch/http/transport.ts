import type { Outcome } from '../../domain/outcome.ts'
import type { Clock } from '../../kit/clock.ts'
import type { BackendSettings, DispatchSettings } from '../feed.ts'
import { openSlot, type Call, type Slot } from './slot.ts'

/** The connections to one backend. `T` is the caller's word for what is sent; it comes back with the outcome. */
export interface Wire<T> {
  /** Never ends before it returns. */
  send(sent: T, path: string, body: Buffer): Call
  /** GET, beside the calls that are open and more patient than they are; one at a time. undefined: aborted. */
  ask(path: string, signal: AbortSignal): Promise<Outcome | undefined>
  /** Ends the calls whose time is over. */
  sweep(now: number): void
  /** Resolves when its connections are closed. Open calls break. */
  close(): Promise<void>
}

/** How a wire to a backend is opened: the outer edge, which tests give themselves. `ended` is called once for each call that is not aborted. */
export type Transport = <T>(backend: BackendSettings, ended: (sent: T, outcome: Outcome) => void) => Wire<T>

const askTimeoutMs = 30_000

/**
 * Over undici, one `Client` a call in flight: its `Pool` looks through all its clients for a free one at each request, which with thousands in flight costs
 * more than the request. The connection that was used last is used next.
 */
export function makeTransport(settings: DispatchSettings, clock: Clock): Transport {
  return <T>(backend: BackendSettings, ended: (sent: T, outcome: Outcome) => void): Wire<T> => {
    const { origin, prefix } = placeOf(backend.url)
    const common = headersOf(backend)
    const limits = {
      connectMs: settings.connectTimeoutMs,
      firstByteMs: settings.firstByteTimeoutMs,
      answerMs: settings.answerTimeoutMs,
      maxBytes: settings.maxAnswerBytes,
    }
    const patience = { ...limits, firstByteMs: askTimeoutMs, answerMs: askTimeoutMs }
    const post = { method: 'POST' as const, headers: [...common, 'content-type', 'application/json'] }
    const get = { method: 'GET' as const, headers: common }
    const slots = new Set<Slot<T>>()
    const free: Slot<T>[] = []
    let asker: Slot<(outcome: Outcome) => void> | undefined

    function freed(slot: Slot<T>): void {
      if (slot.dead) slots.delete(slot)
      else free.push(slot)
    }

    function fresh(): Slot<T> {
      const slot = openSlot<T>(origin, post, limits, clock, { freed, ended })
      slots.add(slot)
      return slot
    }

    return {
      send(sent, path, body) {
        const slot = free.pop() ?? fresh()
        slot.send(sent, prefix + path, body)
        return slot
      },
      ask: (path, signal) =>
        new Promise((resolve) => {
          if (signal.aborted) return resolve(undefined)
          if (!asker || asker.dead)
            asker = openSlot(origin, get, patience, clock, { freed() {}, ended: (tell, outcome) => tell(outcome) })
          const slot = asker
          const stop = () => {
            slot.abort()
            resolve(undefined)
          }
          signal.addEventListener('abort', stop, { once: true })
          slot.send(
            (outcome) => {
              signal.removeEventListener('abort', stop)
              resolve(outcome)
            },
            prefix + path,
            null,
          )
        }),
      sweep(now) {
        for (const slot of slots) slot.sweep(now)
        asker?.sweep(now)
      },
      async close() {
        await Promise.all([...slots, ...(asker ? [asker] : [])].map((slot) => slot.close()))
      },
    }
  }
}

/** `http://host:8000/openai/v1` -> where to connect, and what stands before `/v1/...`. */
export function placeOf(url: string): { origin: string; prefix: string } {
  const { origin, pathname } = new URL(url)
  return { origin, prefix: pathname.replace(/\/+$/, '').replace(/\/v1$/, '') }
}

/** Made once a backend. What the operator sets has the last word. */
function headersOf({ key, headers }: BackendSettings): string[] {
  const all = new Map([
    ['user-agent', 'nightshift'],
    ['accept-encoding', 'identity'],
  ])
  if (key !== null) all.set('authorization', `Bearer ${key}`)
  for (const [name, value] of Object.entries(headers)) all.set(name.toLowerCase(), value)
  return [...all].flat()
}
