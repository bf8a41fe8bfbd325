/** Ends at an abort even while the source is silent. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T> {
  if (!signal) return yield* source
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => (abort = () => reject(signal.reason)))
  aborted.catch(() => {})
  signal.addEventListener('abort', abort, { once: true })
  const iterator = source[Symbol.asyncIterator]()
  let ended = false
  try {
    for (;;) {
      signal.throwIfAborted()
      const next = await Promise.race([iterator.next(), aborted])
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
