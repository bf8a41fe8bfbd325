import type { Clock } from '../../src/kit/clock.ts'

/** A clock that is moved by hand. Sleepers wake in order of their time when `advance` passes it. */
export interface HandClock extends Clock {
  /** Moves both clocks on and lets woken sleepers run. */
  advance(ms: number): Promise<void>
  /** How many are asleep. */
  readonly sleepers: number
}

export function handClock(startAt = 1_763_800_000_000): HandClock {
  let time = 0
  const asleep = new Set<{ at: number; wake: () => void }>()
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    now: () => startAt + time,
    monotonic: () => time,
    get sleepers() {
      return asleep.size
    },
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve()
        const sleeper = { at: time + ms, wake: () => {} }
        sleeper.wake = () => {
          asleep.delete(sleeper)
          signal?.removeEventListener('abort', sleeper.wake)
          resolve()
        }
        signal?.addEventListener('abort', sleeper.wake, { once: true })
        asleep.add(sleeper)
      }),
    async advance(ms) {
      const end = time + ms
      await settle()
      for (;;) {
        const next = [...asleep].filter((s) => s.at <= end).toSorted((a, b) => a.at - b.at)[0]
        if (!next) break
        time = Math.max(time, next.at)
        next.wake()
        await settle()
      }
      time = end
      await settle()
    },
  }
}
