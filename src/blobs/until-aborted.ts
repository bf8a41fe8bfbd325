import { allowMany } from '../kit/abort.ts'

/** Ends at an abort even while the source is silent. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T> {
  if (!signal) return yield* source
  let refuse = (_reason: unknown): void => {}
  const abort = () => refuse(signal.reason)
  allowMany(signal)
  signal.addEventListener('abort', abort, { once: true })
  const iterator = source[Symbol.asyncIterator]()
  let ended = false
  try {
    for (;;) {
      signal.throwIfAborted()
      // NOTE: a promise of its own for each: a race with one that lasts would keep every chunk until that settles
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        refuse = reject
        iterator.next().then(resolve, reject)
      })
      ended = next.done === true
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    // NOTE: not awaited: a generator that waits for its next bytes answers only after them
    if (!ended) iterator.return?.()?.then(undefined, () => {})
  }
}
