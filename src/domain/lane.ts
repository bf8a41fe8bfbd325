import { meaningOf } from './answers.ts'
import type { Outcome } from './outcome.ts'

/** How many calls a lane may have in flight, and how that number moves. */
export interface Pace {
  readonly limit: number
  /** Good answers since the limit last moved. */
  readonly good: number
  /** Below it the limit doubles with each full window, from it on it rises by one: what the backend took at its last overload. */
  readonly doubleBelow: number
}

export interface Seen {
  readonly meaning: 'good' | 'overload' | 'nothing'
  /** Calls still in flight on the lane, this one not counted. */
  readonly inFlight: number
}

export type Adapt = (pace: Pace, seen: Seen, ceiling: number) => Pace

export const freshPace = (limit: number): Pace => ({ limit, good: 0, doubleBelow: Infinity })

/**
 * A full window of good answers doubles the limit until the first overload and adds one after it (TCP's slow start and congestion avoidance, RFC 5681). An
 * overload cuts to what is still in flight: a backend that is full refuses at once, so that what a wave of refusals leaves behind is what the backend took.
 * That is one cut a round trip, taken in steps, as gentle as the backend lets it be: at a limit one too high it is a cut by one.
 */
export const adapt: Adapt = (pace, { meaning, inFlight }, ceiling) => {
  const used = (inFlight + 1) * 2 >= pace.limit
  switch (meaning) {
    case 'nothing':
      return pace
    case 'overload': {
      const limit = Math.min(ceiling, pace.limit, Math.max(1, inFlight))
      return { limit, good: 0, doubleBelow: used ? limit : Math.max(limit, Math.min(pace.doubleBelow, pace.limit / 2)) }
    }
    case 'good': {
      if (!used) return pace // NOTE: answers to a lane that is half empty say nothing about a fuller one
      if (pace.good + 1 < pace.limit) return { limit: pace.limit, good: pace.good + 1, doubleBelow: pace.doubleBelow }
      const limit =
        pace.limit < pace.doubleBelow
          ? Math.min(pace.limit * 2, Math.max(pace.limit + 1, Math.ceil(pace.doubleBelow)))
          : pace.limit + 1
      return { limit: Math.min(ceiling, limit), good: 0, doubleBelow: pace.doubleBelow }
    }
  }
}

/** Why an overload was one, for an operator. */
export function overloadOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'answered':
      return `${meaningOf(outcome).what} (${outcome.status})`
    case 'timeout':
      return 'it does not accept connections in time'
    case 'ours':
    case 'unreachable':
    case 'broken':
    case 'unfetched':
      return `this machine cannot connect (${outcome.message})`
    case 'too-large':
      return 'its answers are too large'
  }
}

/** What an outcome says about the room that a backend has. */
export function roomIn(outcome: Outcome): Seen['meaning'] {
  switch (outcome.kind) {
    case 'answered':
      return meaningOf(outcome).lane
    case 'too-large':
      return 'good'
    case 'timeout':
      return outcome.phase === 'connect' ? 'overload' : 'nothing'
    case 'ours': // out of sockets: what is in flight is what we can hold
      return outcome.of === 'content' ? 'nothing' : 'overload'
    case 'unreachable':
    case 'broken':
    case 'unfetched':
      return 'nothing'
  }
}
