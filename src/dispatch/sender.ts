import { giveLine, type Room } from '../domain/rooms.ts'
import { depart, goesAlone, makeReady } from './flights.ts'
import type { Schedule } from './schedule.ts'
import type { SentBody } from './sent-body.ts'
import type { Backend, Flight, Lane, Rota } from './state.ts'

/** Keeps lanes full: a call that ended gives its place to the next in turn; lines that come to hand go where there is most room. */
export interface Sender {
  /** There is room on a backend. */
  fill(backend: Backend): void
  /** There are lines at hand in a rota. */
  offer(rota: Rota): void
}

export interface SenderParts {
  readonly schedule: Schedule
  readonly now: () => number
  readonly bodyOf: SentBody
  /** Nothing more may be sent at all. */
  readonly stopping: () => boolean
  /** The right to a line is not fresh: it is asked for again a little later. */
  readonly held: (flight: Flight) => void
}

export function makeSender({ schedule, now, bodyOf, stopping, held }: SenderParts): Sender {
  const takesMore = (backend: Backend): boolean =>
    backend.open && backend.inFlight < backend.ceiling && !goesAlone(backend.suspect) && !stopping()

  const hasRoom = (lane: Lane): boolean => lane.inFlight < lane.pace.limit && lane.restsUntil === 0 && takesMore(lane.backend)

  /** False: it did not go, nor should another be tried at once. */
  function launch(flight: Flight, lane: Lane): boolean {
    if (!flight.feed.maySend(flight.line)) {
      held(flight)
      return false
    }
    if (goesAlone(flight) && lane.backend.inFlight > 0) {
      flight.place = 'draining'
      flight.lane = lane
      lane.backend.suspect = flight
      return false
    }
    depart(flight, lane, now(), bodyOf)
    return true
  }

  /** The one that waited for a backend to drain. */
  function launchAlone({ suspect, inFlight, ceiling, open }: Backend): void {
    if (suspect?.place !== 'draining' || !suspect.lane) return
    if (open && (inFlight > 0 || ceiling === 0) && !stopping()) return
    const { lane } = suspect
    lane.backend.suspect = null
    suspect.lane = null
    if (open && !stopping()) launch(suspect, lane)
    else makeReady(suspect)
  }

  function next(lane: Lane): Flight | undefined {
    for (let left = lane.rotas.size; left > 0; left--) {
      const rota = lane.rotas.next()
      const flight = rota && schedule.next(rota, lane)
      if (flight) return flight
    }
    return undefined
  }

  function fillOne({ busy }: Backend): boolean {
    for (let left = busy.size; left > 0; left--) {
      const lane = busy.next()
      if (!lane || !hasRoom(lane)) continue
      const flight = next(lane)
      if (flight) return launch(flight, lane)
      if (!lane.rotas.some(({ ready, refused, suspects }) => ready.size + refused.size + suspects.size > 0)) busy.remove(lane)
    }
    return false
  }

  function fill(backend: Backend): void {
    if (backend.suspect) launchAlone(backend)
    while (takesMore(backend) && fillOne(backend));
  }

  return {
    fill,
    offer(rota) {
      for (const lane of rota.lanes) lane.backend.busy.add(lane)
      const [only] = rota.lanes
      if (only && rota.lanes.length === 1) return fill(only.backend)
      for (let lanes = rota.lanes.filter(hasRoom); lanes.length > 0;) {
        const { index, credits } = giveLine(lanes.map(roomOf))
        const lane = lanes[index]
        if (!lane) return
        const flight = schedule.next(rota, lane)
        const went = flight !== undefined && launch(flight, lane)
        if (went) for (const [i, one] of lanes.entries()) one.credit = credits[i] ?? 0
        if (!went || !hasRoom(lane)) lanes = lanes.filter((l) => l !== lane)
      }
    },
  }
}

const roomOf = ({ inFlight, pace, credit, backend }: Lane): Room => ({
  weight: backend.settings.weight ?? 1,
  free: Math.min(pace.limit - inFlight, backend.ceiling - backend.inFlight),
  credit,
})
