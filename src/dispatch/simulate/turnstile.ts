/** Who is worked on, who waits: a fixed number of slots, first come first served. */
export interface Turnstile {
  readonly running: number
  readonly waiting: number
  /** Resolves with the slot's release; rejects when the client went away before its turn. */
  take(gone: AbortSignal): Promise<() => void>
}

export function makeTurnstile(count: number): Turnstile {
  let running = 0
  const queue: (() => void)[] = []

  function release(): void {
    running--
    queue.shift()?.()
  }

  return {
    get running() {
      return running
    },
    get waiting() {
      return queue.length
    },
    take: (gone) =>
      new Promise((resolve, reject) => {
        const start = () => {
          gone.removeEventListener('abort', leave)
          running++
          let released = false
          resolve(() => {
            if (!released) release()
            released = true
          })
        }
        const leave = () => {
          const at = queue.indexOf(start)
          if (at >= 0) queue.splice(at, 1)
          reject(new Error('the client went away'))
        }
        if (gone.aborted) return leave()
        if (running < count) return start()
        gone.addEventListener('abort', leave, { once: true })
        queue.push(start)
      }),
  }
}
