import { allowMany } from './abort.ts'

/** Three kinds of time, kept apart: stamps by the wall clock, time-outs and rates by the monotonic one, leases by the database's. */
export interface Clock {
  /** Milliseconds since 1970 by the wall clock. It may jump. */
  now(): number
  /** Milliseconds since some fixed point. It never jumps and never goes back. */
  monotonic(): number
  /** Resolves after `ms`, or at once when the signal aborts. Never rejects: look at the signal afterwards. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, Math.min(ms, 0x7fffffff))
      if (!signal) return
      allowMany(signal)
      signal.addEventListener('abort', end, { once: true })
    }),
}
