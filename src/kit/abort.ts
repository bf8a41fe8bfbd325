import { setMaxListeners } from 'node:events'

/** Aborted by whoever has it, or with the signal above it, for the same reason. */
export interface AbortUnder {
  readonly signal: AbortSignal
  abort(reason: unknown): void
  /** Forgets the one above: to be called when nobody listens any more. */
  leave(): void
}

/** The reason of an abort that only ends a wait and that nobody reads: without one, a `DOMException` with its stack is made each time. */
export const over = 'over'

/** Many may listen to one that stops everything, and each of them leaves. */
export const allowMany = (signal: AbortSignal): void => setMaxListeners(0, signal)

/** NOTE: `AbortSignal.any` leaves something behind on a signal that lives long, with each call (Node 20). */
export function abortUnder(above: AbortSignal | undefined): AbortUnder {
  const own = new AbortController()
  const follow = () => own.abort(above?.reason)
  if (above?.aborted) follow()
  else if (above) {
    allowMany(above)
    above.addEventListener('abort', follow, { once: true })
  }
  return {
    signal: own.signal,
    abort: (reason) => own.abort(reason),
    leave: () => above?.removeEventListener('abort', follow),
  }
}

/** What a step comes to, or the reason of an abort, whichever is first; the step itself goes on. */
export function orAborted<T>(step: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return step
  allowMany(signal)
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    const end = () => signal.removeEventListener('abort', stop)
    step.then(resolve, reject).then(end, end)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
