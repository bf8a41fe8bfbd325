/** What has a place in a heap. */
export interface Ranked {
  rank: number
  /** Where it is in its heap, or -1. The heap's own. */
  heapIndex: number
}

/** Lowest rank first: a binary heap whose members know where they are, so that one who leaves or moves does so at once. */
export interface Heap<T extends Ranked> {
  readonly first: T | undefined
  /** Who is in it moves to the new rank. */
  put(member: T, rank: number): void
  remove(member: T): void
  /** Takes one of this rank or a lower one. */
  take(rank: number): T | undefined
}

export function makeHeap<T extends Ranked>(): Heap<T> {
  const heap: T[] = []

  function place(member: T, index: number): void {
    heap[index] = member
    member.heapIndex = index
  }

  function rise(member: T, from: number): void {
    let index = from
    while (index > 0) {
      const parent = heap[(index - 1) >> 1]
      if (!parent || parent.rank <= member.rank) break
      place(parent, index)
      index = (index - 1) >> 1
    }
    place(member, index)
  }

  function sink(member: T, from: number): void {
    let index = from
    for (;;) {
      let below = 2 * index + 1
      let child = heap[below]
      const right = heap[below + 1]
      if (child && right && right.rank < child.rank) [child, below] = [right, below + 1]
      if (!child || child.rank >= member.rank) break
      place(child, index)
      index = below
    }
    place(member, index)
  }

  function remove(member: T): void {
    const index = member.heapIndex
    if (index < 0) return
    member.heapIndex = -1
    const last = heap.pop()
    if (!last || last === member) return
    if (last.rank < member.rank) rise(last, index)
    else sink(last, index)
  }

  return {
    get first() {
      return heap[0]
    },
    put(member, rank) {
      const before = member.rank
      member.rank = rank
      if (member.heapIndex < 0) rise(member, heap.length)
      else if (rank < before) rise(member, member.heapIndex)
      else sink(member, member.heapIndex)
    },
    remove,
    take(rank) {
      const [first] = heap
      if (!first || first.rank > rank) return undefined
      remove(first)
      return first
    },
  }
}
