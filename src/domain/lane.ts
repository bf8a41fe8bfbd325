/**
 * The moving limit of a lane. It doubles with each full window of good answers until the first overload; then it rises by one a window. An overload cuts it
 * once a round trip (outcomes of calls that were sent before the last cut say nothing new): out of the climb to what the backend took, later by 3 %, and by
 * twice as much for each further cut without a good window between, so that a backend that lost most of its room is followed quickly.
 * The shape is TCP's slow start and additive increase (RFC 5681); the gentle cut is what keeps a backend full that refuses above a fixed number of calls.
 */
export interface Lane {
  readonly limit: number
  /** Good answers since the limit last moved. */
  readonly good: number
  readonly climbing: boolean
  readonly cutAtMs: number
  /** Cuts since the last full window of good answers. */
  readonly cuts: number
}

export interface Seen {
  readonly meaning: 'good' | 'overload' | 'nothing'
  readonly sentAtMs: number
  readonly atMs: number
  /** Calls that are open on the lane, this one not counted. */
  readonly open: number
}

export const freshLane = (limit: number): Lane => ({ limit, good: 0, climbing: true, cutAtMs: -Infinity, cuts: 0 })

export type Adapt = (lane: Lane, seen: Seen, max: number) => Lane

export const adapt: Adapt = (lane, seen, max) => {
  switch (seen.meaning) {
    case 'nothing':
      return lane
    case 'overload': {
      if (seen.sentAtMs < lane.cutAtMs) return lane
      const cut = Math.max(1, Math.floor(lane.limit * 0.03 * 2 ** lane.cuts))
      const limit = lane.climbing ? Math.min(lane.limit - 1, seen.open) : lane.limit - cut
      return { limit: Math.max(1, limit), good: 0, climbing: false, cutAtMs: seen.atMs, cuts: Math.min(lane.cuts + 1, 5) }
    }
    case 'good':
      if (lane.good + 1 < lane.limit) return { ...lane, good: lane.good + 1 }
      return { ...lane, good: 0, cuts: 0, limit: Math.min(max, lane.climbing ? lane.limit * 2 : lane.limit + 1) }
  }
}
