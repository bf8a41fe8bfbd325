import { abortUnder, orAborted } from '../../kit/abort.ts'
import type { Clock } from '../../kit/clock.ts'

/** Over something that must neither last nor stand still for too long. All that is opened under it closes when `signal` aborts. */
export interface Watch {
  /** Aborts when the caller's does, when time is over, and at the end. */
  readonly signal: AbortSignal
  /** Waits for the other side: only then can it stand still. Rejects with the signal's reason as soon as that aborts, whatever the step does. */
  waitFor<T>(step: Promise<T>): Promise<T>
  end(): void
}

export interface WatchLimits {
  /** Milliseconds that all waits together may take. Who reads slowly uses none of them. */
  readonly totalMs: number
  /** Milliseconds that one wait may take. */
  readonly stallMs: number
}

/** One sleeper a watch, whatever the number of waits. `late` makes the reason of the abort. */
export function startWatch(
  { totalMs, stallMs }: WatchLimits,
  clock: Clock,
  outer: AbortSignal,
  late: (which: 'total' | 'stall') => Error,
): Watch {
  const { signal, abort, leave } = abortUnder(outer)
  let waitedMs = 0
  /** undefined: nobody waits for the other side; it waits for us. */
  let waitingSince: number | undefined

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const thisMs = waitingSince === undefined ? 0 : clock.monotonic() - waitingSince
      const [totalLeft, stallLeft] = [totalMs - waitedMs - thisMs, stallMs - thisMs]
      if (totalLeft <= 0) abort(late('total'))
      else if (stallLeft <= 0) abort(late('stall'))
      else await clock.sleep(Math.min(totalLeft, stallLeft), signal)
    }
    leave()
  }
  void run()

  return {
    signal,
    async waitFor(step) {
      const since = clock.monotonic()
      waitingSince = since
      try {
        return await orAborted(step, signal)
      } finally {
        waitedMs += clock.monotonic() - since
        waitingSince = undefined
      }
    },
    end: () => abort(new Error('it was closed')),
  }
}
