import { freshPace } from '../domain/lane.ts'
import { makeReady } from './flights.ts'
import { startPace } from './lanes.ts'
import type { Backend, Flight, Lane } from './state.ts'

/** Keeps lines away from a backend that is gone, and from a lane of which nothing is accepted. A probe opens the one, time the other. */
export interface Gate {
  /** Nothing goes to this backend until it was heard of again. */
  shut(backend: Backend, trouble: string): void
  /** It was heard of. */
  open(backend: Backend): void
  /** A refusal left nothing in flight: the lane rests. Then it has room for one, which is the probe. */
  rest(lane: Lane, trouble: string): void
  /** Opens the lanes whose rest is over. */
  wakeRested(now: number): void
  /** When the next rest is over. */
  nextAt(): number
}

export interface GateParts {
  readonly startInFlight: number
  readonly now: () => number
  /** How long after so many failures in a row. */
  readonly restMs: (failures: number) => number
  /** There is room on a lane, or a flight for another. */
  readonly opened: (lane: Lane) => void
  readonly freed: (flight: Flight) => void
  readonly events: { backendShut(url: string, why: string): void; backendOpen(url: string): void }
}

export function makeGate({ startInFlight, now, restMs, opened, freed, events }: GateParts): Gate {
  const resting = new Set<Lane>()
  return {
    shut(backend, trouble) {
      backend.open = false
      if (backend.trouble === null) events.backendShut(backend.settings.url, trouble)
      backend.trouble = trouble
      const { suspect } = backend
      if (suspect?.place !== 'draining') return
      backend.suspect = suspect.lane = null
      makeReady(suspect)
      freed(suspect)
    },
    open(backend) {
      if (backend.open) return
      if (backend.trouble !== null) events.backendOpen(backend.settings.url)
      backend.open = true
      backend.trouble = null
      for (const lane of backend.lanes.values()) {
        lane.pace = startPace(backend, startInFlight)
        lane.restsUntil = lane.refusals = 0
        resting.delete(lane)
      }
      for (const lane of backend.lanes.values()) opened(lane)
    },
    rest(lane, trouble) {
      lane.trouble = trouble
      lane.pace = freshPace(1)
      lane.owesNew = true
      lane.restsUntil = now() + restMs(lane.refusals++)
      resting.add(lane)
    },
    wakeRested(at) {
      for (const lane of resting) {
        if (lane.restsUntil > at) continue
        resting.delete(lane)
        lane.restsUntil = 0
        opened(lane)
      }
    },
    nextAt: () => Math.min(...[...resting].map((lane) => lane.restsUntil)),
  }
}
