import type { Feed, Sendable } from './feed.ts'
import type { SentBody } from './sent-body.ts'
import type { Backend, Flight, Lane, Turn } from './state.ts'

/** A taken line, on its way. undefined: it was stopped before it began. */
export function board(stops: Stops, turn: Turn, feed: Feed, line: Sendable): Flight | undefined {
  const together = stops.of(line.signal)
  if (line.signal.aborted) {
    feed.stopped(line)
    return undefined
  }
  const flight: Flight = {
    feed,
    line,
    turn,
    charged: 0,
    together,
    place: 'ready',
    lane: null,
    call: null,
    sentAt: 0,
    burnt: 0,
    spared: 0,
    deaths: 0,
    refused: 0,
    refusedAt: 0,
    avoid: null,
    rank: 0,
    heapIndex: -1,
  }
  together.add(flight)
  return flight
}

/** Sends it. */
export function depart(flight: Flight, lane: Lane, now: number, bodyOf: SentBody): void {
  const { backend } = lane
  flight.place = 'out'
  flight.lane = lane
  flight.sentAt = now
  lane.inFlight++
  backend.inFlight++
  if (flight.deaths > 0) backend.suspectsOut++
  if (goesAlone(flight)) backend.suspect = flight
  flight.call = backend.wire.send(flight, flight.feed.endpoint, bodyOf(flight, lane))
}

/** Its call is over. */
export function land(flight: Flight, lane: Lane): void {
  const { backend } = lane
  flight.lane = null
  flight.call = null
  lane.inFlight--
  backend.inFlight--
  if (flight.deaths > 0) backend.suspectsOut--
  if (backend.suspect === flight) backend.suspect = null
}

/** After its second death a flight goes alone: if its connection breaks then, nothing else can have been the reason. */
export const goesAlone = (flight: Flight | null): boolean => flight !== null && flight.deaths > 1

/** Back into its rota: it goes as soon as a lane has room. */
export function makeReady(flight: Flight): void {
  flight.place = 'ready'
  const { suspects, refused, ready } = flight.turn.rota
  const among = flight.deaths > 0 ? suspects : flight.refused > 0 ? refused : ready
  among.add(flight)
}

/** Takes it out of wherever it is. Its end is the caller's to tell. */
export function leave(flight: Flight): Backend | undefined {
  const { lane, call, turn, place } = flight
  flight.place = 'over'
  flight.together.delete(flight)
  turn.rota.ready.delete(flight)
  turn.rota.refused.delete(flight)
  turn.rota.suspects.delete(flight)
  if (!lane) return undefined
  if (place === 'draining') lane.backend.suspect = null
  else land(flight, lane)
  call?.abort()
  return lane.backend
}

/** The flights of each abort signal: one listener a signal, however many lines share it. */
export interface Stops {
  /** Where a flight with this signal belongs. */
  of(signal: AbortSignal): Set<Flight>
}

/** `stop` is called for all flights of a signal that aborts, at once. */
export function makeStops(stop: (flights: readonly Flight[]) => void): Stops {
  const known = new WeakMap<AbortSignal, Set<Flight>>()
  return {
    of(signal) {
      const flights = known.get(signal)
      if (flights) return flights
      const fresh = new Set<Flight>()
      known.set(signal, fresh)
      signal.addEventListener('abort', () => stop([...fresh]), { once: true })
      return fresh
    },
  }
}
