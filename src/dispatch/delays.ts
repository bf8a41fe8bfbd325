import type { Clock } from '../kit/clock.ts'
import type { Taken } from './taken.ts'

/** Lines that wait for their next attempt, soonest first. One timer for all of them. */
export interface Delays {
  add(taken: Taken, waitMs: number): void
  run(signal: AbortSignal): Promise<void>
}

export function makeDelays(clock: Clock, due: (taken: Taken) => void): Delays {
  const waiting: { readonly at: number; readonly taken: Taken }[] = []
  let early = new AbortController()

  return {
    add(taken, waitMs) {
      const at = clock.monotonic() + waitMs
      let low = 0
      for (let high = waiting.length; low < high;) {
        const middle = (low + high) >> 1
        if ((waiting[middle]?.at ?? 0) > at) low = middle + 1
        else high = middle
      }
      waiting.splice(low, 0, { at, taken })
      if (low === waiting.length - 1) early.abort()
    },
    async run(signal) {
      while (!signal.aborted) {
        const now = clock.monotonic()
        for (let next = waiting.at(-1); next && next.at <= now; next = waiting.at(-1)) {
          waiting.pop()
          if (!next.taken.over) due(next.taken)
        }
        early = new AbortController()
        const pauseMs = Math.max(1, Math.min(60_000, (waiting.at(-1)?.at ?? Infinity) - clock.monotonic()))
        await clock.sleep(pauseMs, AbortSignal.any([signal, early.signal]))
      }
    },
  }
}
