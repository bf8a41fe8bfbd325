import { setMaxListeners } from 'node:events'

/** Aborted by whoever has it, or with one of the signals above it. */
export interface AbortUnder {
  readonly signal: AbortSignal
  abort(reason: unknown): void
  /** Forgets those above: to be called when nobody listens any more. */
  leave(): void
}

/** The reason of an abort that only ends a wait and that nobody reads: without one, a `DOMException` with its stack is made each time. */
export const over = 'over'

/** NOTE: `AbortSignal.any` leaves something behind on a signal that lives long, with each call (Node 20). */
export function abortUnder(...above: readonly (AbortSignal | undefined)[]): AbortUnder {
  const own = new AbortController()
  const follow = ({ target }: Event) => own.abort((target as AbortSignal).reason)
  for (const signal of above) {
    if (!signal) continue
    if (signal.aborted) own.abort(signal.reason)
    setMaxListeners(0, signal) // NOTE: many may listen to one that stops everything, and each of them leaves
    signal.addEventListener('abort', follow, { once: true })
  }
  return {
    signal: own.signal,
    abort: (reason) => own.abort(reason),
    leave() {
      for (const signal of above) signal?.removeEventListener('abort', follow)
    },
  }
}

/** What a step comes to, or the reason of an abort, whichever is first; the step itself goes on. */
export function orAborted<T>(step: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    const end = () => signal.removeEventListener('abort', stop)
    step.then(resolve, reject).then(end, end)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
