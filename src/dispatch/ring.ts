/** Who is next: each in turn, one step a call. Who is added twice is in it once. */
export interface Ring<T> {
  readonly size: number
  add(member: T): void
  remove(member: T): void
  some(test: (member: T) => boolean): boolean
  /** The next in turn, who stays in the ring. */
  next(): T | undefined
}

export function makeRing<T>(): Ring<T> {
  const order: T[] = []
  const members = new Set<T>()
  let at = 0
  return {
    get size() {
      return order.length
    },
    add(member) {
      if (members.has(member)) return
      members.add(member)
      order.push(member)
    },
    remove(member) {
      if (!members.delete(member)) return
      const index = order.indexOf(member)
      order.splice(index, 1)
      if (index < at) at--
    },
    some: (test) => order.some(test),
    next() {
      if (at >= order.length) at = 0
      return order[at++]
    },
  }
}
