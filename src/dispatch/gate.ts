import { backoffMs, type Backoff } from '../domain/backoff.ts'

/** Keeps calls from what does not take any: shut for a back-off that grows, then open for one call at a time until one is good. */
export interface Gate {
  /** How many calls may be open: none, one (to see), or any number. */
  readonly room: 0 | 1 | typeof Infinity
  readonly shut: boolean
  /** When the next call may be tried, by the monotonic clock. */
  readonly opensAt: number
  /** Nothing was accepted. `askedMs`: the backend said how long to wait. Calls that were sent before it was last shut say nothing new. */
  refused(sentAtMs: number, askedMs: number | null): void
  good(): void
}

const growth: Backoff = { baseMs: 250, maxMs: 5_000 }
const askedAtMostMs = 30_000

export function makeGate({
  monotonic,
  random,
  onShut,
}: {
  monotonic: () => number
  random: () => number
  onShut: (waitMs: number) => void
}): Gate {
  let failures = 0
  let opensAt = 0
  let shutAt = -Infinity
  return {
    get room() {
      if (failures === 0) return Infinity
      return monotonic() >= opensAt ? 1 : 0
    },
    get shut() {
      return failures > 0
    },
    get opensAt() {
      return opensAt
    },
    refused(sentAtMs, askedMs) {
      if (sentAtMs < shutAt) return
      shutAt = monotonic()
      const wait = askedMs === null ? 50 + backoffMs(failures, growth, random) : Math.min(askedMs, askedAtMostMs)
      failures++
      opensAt = shutAt + wait
      onShut(wait)
    },
    good() {
      failures = 0
    },
  }
}
