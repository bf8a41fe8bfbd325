/** What waits for its time. */
export interface Timed {
  dueAt: number
  /** Its place in the queue, or -1. The queue's own. */
  dueIndex: number
}

/** Soonest first: a binary heap whose members know their place, so that one who is stopped leaves at once. */
export interface Due<T extends Timed> {
  /** Infinity: nothing waits. */
  readonly nextAt: number
  add(timed: T, dueAt: number): void
  remove(timed: T): void
  /** Takes one whose time has come. */
  take(now: number): T | undefined
}

export function makeDue<T extends Timed>(): Due<T> {
  const heap: T[] = []

  function put(timed: T, index: number): void {
    heap[index] = timed
    timed.dueIndex = index
  }

  function rise(timed: T, from: number): void {
    let index = from
    while (index > 0) {
      const parent = heap[(index - 1) >> 1]
      if (!parent || parent.dueAt <= timed.dueAt) break
      put(parent, index)
      index = (index - 1) >> 1
    }
    put(timed, index)
  }

  function sink(timed: T, from: number): void {
    let index = from
    for (;;) {
      let below = 2 * index + 1
      let child = heap[below]
      const right = heap[below + 1]
      if (child && right && right.dueAt < child.dueAt) [child, below] = [right, below + 1]
      if (!child || child.dueAt >= timed.dueAt) break
      put(child, index)
      index = below
    }
    put(timed, index)
  }

  function remove(timed: T): void {
    const index = timed.dueIndex
    if (index < 0) return
    timed.dueIndex = -1
    const last = heap.pop()
    if (!last || last === timed) return
    if (last.dueAt < timed.dueAt) rise(last, index)
    else sink(last, index)
  }

  return {
    get nextAt() {
      return heap[0]?.dueAt ?? Infinity
    },
    add(timed, dueAt) {
      timed.dueAt = dueAt
      rise(timed, heap.length)
    },
    remove,
    take(now) {
      const [first] = heap
      if (!first || first.dueAt > now) return undefined
      remove(first)
      return first
    },
  }
}
