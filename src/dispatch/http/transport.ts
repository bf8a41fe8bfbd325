import type { Outcome } from '../../domain/outcome.ts'
import type { Clock } from '../../kit/clock.ts'
import type { BackendSettings, DispatchSettings } from '../feed.ts'
import { proxyRefused, routeTo } from './route.ts'
import { openSlot, type Call, type Slot } from './slot.ts'
import { sendUpload } from './upload-call.ts'
import type { Upload } from './upload.ts'

/** The connections to one backend. `T` is the caller's word for what is sent; it comes back with the outcome. */
export interface Wire<T> {
  /** Never ends before it returns. */
  send(sent: T, path: string, body: Buffer | Upload): Call
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
  return <T>(backend: BackendSettings, tell: (sent: T, outcome: Outcome) => void): Wire<T> => {
    const route = routeTo(backend, settings.connectTimeoutMs)
    const { prefix } = route
    const ended = route.proxied ? (sent: T, outcome: Outcome) => tell(sent, proxyRefused(outcome)) : tell
    const common = headersOf(backend, route.headers)
    const limits = {
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
      const slot = openSlot<T>(route, post, limits, clock, { freed, ended })
      slots.add(slot)
      return slot
    }

    const upload = (sent: T, path: string, body: Upload): Call =>
      sendUpload(body, {
        send(opened, told) {
          const length = opened.length === null ? [] : ['content-length', String(opened.length)]
          const headers = [...common, 'content-type', opened.contentType, ...length]
          const slot = openSlot<T>(route, { method: 'POST', headers, typed: true }, limits, clock, {
            freed(it) {
              slots.delete(it)
              void it.close()
            },
            ended: (_, outcome) => told(outcome),
          })
          slots.add(slot)
          slot.send(sent, path, opened.bytes)
          return slot
        },
        ended: (outcome) => ended(sent, outcome),
      })

    return {
      send(sent, path, body) {
        if (!Buffer.isBuffer(body)) return upload(sent, prefix + path, body)
        const slot = free.pop() ?? fresh()
        slot.send(sent, prefix + path, body)
        return slot
      },
      ask: (path, signal) =>
        new Promise((resolve) => {
          if (signal.aborted) return resolve(undefined)
          if (!asker || asker.dead)
            asker = openSlot(route, get, patience, clock, {
              freed() {},
              ended: (heard, outcome) => heard(route.proxied ? proxyRefused(outcome) : outcome),
            })
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

/** Made once a backend. What the operator sets has the last word. */
function headersOf({ key, headers }: BackendSettings, ofRoute: Readonly<Record<string, string>>): string[] {
  const all = new Map([['user-agent', 'nightshift'], ['accept-encoding', 'identity'], ...Object.entries(ofRoute)])
  if (key !== null) all.set('authorization', `Bearer ${key}`)
  for (const [name, value] of Object.entries(headers)) all.set(name.toLowerCase(), value)
  return [...all].flat()
}
