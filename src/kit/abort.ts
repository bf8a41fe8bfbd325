import { setMaxListeners } from 'node:events'

export interface JoinedSignal {
  readonly signal: AbortSignal
  /** Forgets the others: to be called when nobody listens any more. */
  leave(): void
}

/** The reason of an abort that only ends a wait and that nobody reads: without one, a `DOMException` with its stack is made each time. */
export const over = 'over'

/** Aborts with the reason of the first that does. NOTE: `AbortSignal.any` leaves something behind on a signal that lives long, with each call (Node 20). */
export function joinSignals(...signals: readonly AbortSignal[]): JoinedSignal {
  const joined = new AbortController()
  const left = new AbortController()
  for (const signal of signals) {
    if (signal.aborted) joined.abort(signal.reason)
    setMaxListeners(0, signal) // NOTE: many may listen to one that stops everything, and each of them leaves
    signal.addEventListener('abort', () => joined.abort(signal.reason), { once: true, signal: left.signal })
  }
  return { signal: joined.signal, leave: () => left.abort(over) }
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
