import type { Feed } from './feed.ts'

/**
 * Which batch of a project is next, among those that have lines at hand: that with the earliest deadline and that with the fewest lines take turns, so that a deadline
 * is looked after and a small batch does not stand behind a big one, and each of the two has half at least. While one is at risk all go by their deadlines, which meets
 * every deadline that can be met (earliest deadline first: Liu and Layland, 1973).
 */
export interface Order {
  readonly size: number
  add(feed: Feed): void
  remove(feed: Feed): void
  /** Stays in it. */
  next(): Feed | undefined
}

type Compare = (a: Feed, b: Feed) => number

const byId: Compare = (a, b) => (a.batchId < b.batchId ? -1 : a.batchId > b.batchId ? 1 : 0)
const byDeadline: Compare = (a, b) => a.deadlineAt - b.deadlineAt || byId(a, b)
const bySize: Compare = (a, b) => a.lines - b.lines || byDeadline(a, b)

export function makeOrder(): Order {
  const soonest: Feed[] = []
  const smallest: Feed[] = []
  const members = new Set<Feed>()
  const atRisk = new Set<Feed>()
  let isSmallsTurn = false
  return {
    get size() {
      return soonest.length
    },
    add(feed) {
      if (feed.atRisk) atRisk.add(feed)
      else atRisk.delete(feed)
      if (members.has(feed)) return
      members.add(feed)
      soonest.splice(placeOf(soonest, feed, byDeadline), 0, feed)
      smallest.splice(placeOf(smallest, feed, bySize), 0, feed)
    },
    remove(feed) {
      if (!members.delete(feed)) return
      atRisk.delete(feed)
      soonest.splice(placeOf(soonest, feed, byDeadline), 1)
      smallest.splice(placeOf(smallest, feed, bySize), 1)
    },
    next() {
      isSmallsTurn = !isSmallsTurn && atRisk.size === 0
      return isSmallsTurn ? smallest[0] : soonest[0]
    },
  }
}

/** Where it is, or would be. */
function placeOf(sorted: readonly Feed[], feed: Feed, compare: Compare): number {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    const there = sorted[middle]
    if (there && compare(there, feed) < 0) from = middle + 1
    else to = middle
  }
  return from
}
