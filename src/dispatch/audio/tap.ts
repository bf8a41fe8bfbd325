/** Beside a stream of audio that passes by: listens for how long it plays, and lets go as soon as that is known. */
export interface Tap {
  /** Waits until nobody looks at the chunk any more. */
  offer(chunk: Uint8Array): Promise<void>
  /** No more comes. */
  end(): void
  /** Asked at the end; null: the file does not tell. */
  seconds(): Promise<number | null>
}

/** `size`: of the whole, in bytes; null: it is what has passed at the end. */
export function openTap(size: number | null): Tap {
  let ended = false
  let passed = 0
  let taken: (() => void) | undefined
  let wanted: ((next: IteratorResult<Uint8Array, undefined>) => void) | undefined
  const over = { done: true as const, value: undefined }

  function end(): void {
    ended = true
    taken?.()
    wanted?.(over)
  }

  const chunks: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next() {
        taken?.()
        return ended ? Promise.resolve(over) : new Promise((resolve) => (wanted = resolve))
      },
      return() {
        end()
        return Promise.resolve(over)
      },
    }),
  }

  // NOTE: loaded late: who has no audio need not load the parsers
  const hearing = import('./duration.ts').then(({ hearAudio }) => hearAudio(chunks, size)).finally(end)
  hearing.catch(() => {}) // NOTE: told to who asks at the end, if anybody does
  return {
    async offer(value) {
      passed += value.length
      if (!wanted && !ended) await new Promise<void>((resolve) => (taken = resolve))
      if (ended) return
      const give = wanted
      wanted = undefined
      give?.({ done: false, value })
      await new Promise<void>((resolve) => (taken = resolve))
    },
    end,
    seconds: async () => (await hearing)(size ?? passed),
  }
}
