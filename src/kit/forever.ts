import { abortUnder, over } from './abort.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

/** Full jitter between 0 and 200 ms, doubled with each failure up to 10 s. */
const pauseAfter = (failures: number, random: () => number): number =>
  50 + random() * Math.min(10_000, 200 * 2 ** Math.min(failures, 10))

/** What a loop waits on between steps: a hint ends the wait early. One waiter, any number of hints; a hint given while nobody waits is kept. */
export interface Bell {
  ring(): void
  /** Resolves at the next ring (or at once if one is pending), after `ms`, or when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

export function makeBell(clock: Clock): Bell {
  let pending = false
  let wake: (() => void) | undefined
  return {
    ring() {
      pending = true
      wake?.()
    },
    async wait(ms, signal) {
      if (!pending && !signal.aborted) {
        const early = abortUnder(signal)
        wake = () => early.abort(over)
        await clock.sleep(ms, early.signal)
        early.leave()
        wake = undefined
      }
      pending = false
    },
  }
}

/** Lets the event loop turn once: what has come from sockets and timers is attended to. */
export const turnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * Runs `step` until stopped. A step says how long to pause (0: go on at once); a step that throws is logged once and tried again with back-off.
 * Resolves when stopped and the current step has ended.
 */
export async function forever(
  name: string,
  step: (signal: AbortSignal) => Promise<number>,
  { clock, log, bell, random = Math.random }: { clock: Clock; log: Log; bell?: Bell; random?: () => number },
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted;) {
    let pauseMs: number
    try {
      pauseMs = await step(signal)
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      log.warn('step failed', { step: name, error, failures })
      pauseMs = pauseAfter(failures++, random)
    }
    if (pauseMs <= 0) continue
    if (bell && failures === 0) await bell.wait(pauseMs, signal)
    else await clock.sleep(pauseMs, signal)
  }
}
