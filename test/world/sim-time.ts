/** Time that moves only when nothing is left to do: whoever waits stands in one queue, and the next in it is when time goes on. */
export interface SimTime {
  /** Milliseconds since the world began. */
  readonly now: number
  at(when: number, run: () => void): Waiter
  /** `deliver`: how the sleeper is woken when the time has come. */
  sleep(ms: number, signal?: AbortSignal, deliver?: (wake: () => void) => void): Promise<void>
  /** Lives until `over` says so or the time has come. */
  run(over: () => boolean, until: number): Promise<void>
}

/** What waits for its time; without `run` it waits no more. */
export interface Waiter {
  readonly when: number
  readonly order: number
  run: (() => void) | null
}

export function makeTime(): SimTime {
  const heap: Waiter[] = []
  let now = 0
  let count = 0

  const before = (a: Waiter, b: Waiter) => a.when < b.when || (a.when === b.when && a.order < b.order)

  function push(waiter: Waiter): void {
    let at = heap.length
    while (at > 0) {
      const parent = heap[(at - 1) >> 1]!
      if (before(parent, waiter)) break
      heap[at] = parent
      at = (at - 1) >> 1
    }
    heap[at] = waiter
  }

  function pop(): Waiter | undefined {
    const [first] = heap
    const last = heap.pop()
    if (!first || !last || first === last) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (before(last, heap[child]!)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }

  function at(when: number, run: () => void): Waiter {
    const waiter = { when: Math.max(when, now), order: count++, run }
    push(waiter)
    return waiter
  }

  return {
    get now() {
      return now
    },
    at,
    sleep: (ms, signal, deliver = (wake) => wake()) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve()
        const waiter = at(now + ms, () =>
          deliver(() => {
            signal?.removeEventListener('abort', early)
            resolve()
          }),
        )
        const early = () => {
          waiter.run = null
          resolve()
        }
        signal?.addEventListener('abort', early, { once: true })
      }),
    async run(over, until) {
      await turned()
      while (!over()) {
        // NOTE: who is heard in that turn may call the next waiter off, or stand before it
        if (heap[0]?.run && heap[0].when > now) await turned()
        const waiter = pop()
        if (!waiter || waiter.when > until) {
          if (waiter) push(waiter)
          now = Math.max(now, until)
          return
        }
        if (!waiter.run) continue
        now = Math.max(now, waiter.when)
        waiter.run()
        await settled()
      }
    },
  }
}

/** Everything that promises had to say has been said. */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))
/** The event loop has turned, for those who wait for that (`turnOfLoop`). */
const turned = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
