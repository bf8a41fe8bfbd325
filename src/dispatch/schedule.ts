import type { Feed, Sendable } from './feed.ts'
import { makeRing } from './ring.ts'
import type { Backend, Flight, Lane, Rota, Turn } from './state.ts'

/** Who may send next: flights that come back before new lines, projects in turn, within a project batches in turn. */
export interface Schedule {
  add(feed: Feed): Rota
  /** There may be lines at hand again. undefined: it was removed. */
  wake(feed: Feed): Rota | undefined
  remove(feed: Feed): void
  readonly rotas: Iterable<Rota>
  /** The next flight for this lane, no longer in the rota. */
  next(rota: Rota, lane: Lane): Flight | undefined
}

/** How many flights are looked at for one that may go to this lane, before it is a new line's turn. */
const looks = 8

/** `fresh` gives a new rota its lanes; `board` makes a flight of a line, unless it was stopped already. */
export function makeSchedule(
  fresh: (rota: Rota) => void,
  board: (feed: Feed, line: Sendable, rota: Rota) => Flight | undefined,
): Schedule {
  const rotas = new Map<string, Rota>()
  const turns = new Map<Feed, Turn>()

  function rotaOf({ model, endpoint }: Feed): Rota {
    const key = `${endpoint} ${model}`
    const known = rotas.get(key)
    if (known) return known
    const rota: Rota = {
      model,
      endpoint,
      lanes: [],
      turns: new Map(),
      projects: makeRing(),
      ready: new Set(),
      suspects: new Set(),
    }
    rotas.set(key, rota)
    fresh(rota)
    return rota
  }

  function turnOf(rota: Rota, projectId: string): Turn {
    const known = rota.turns.get(projectId)
    if (known) return known
    const turn: Turn = { rota, projectId, feeds: new Set(), atHand: makeRing() }
    rota.turns.set(projectId, turn)
    return turn
  }

  function wake(feed: Feed): Rota | undefined {
    const turn = turns.get(feed)
    if (!turn) return undefined
    turn.atHand.add(feed)
    turn.rota.projects.add(turn)
    return turn.rota
  }

  function passOver(turn: Turn, feed: Feed): void {
    turn.atHand.remove(feed)
    if (turn.atHand.size === 0) turn.rota.projects.remove(turn)
  }

  function newLine(rota: Rota): Flight | undefined {
    for (let turn = rota.projects.next(); turn; turn = rota.projects.next()) {
      const feed = turn.atHand.next()
      if (!feed) return undefined
      const line = feed.take()
      if (!line) {
        passOver(turn, feed)
        continue
      }
      const flight = board(feed, line, rota)
      if (flight) return flight
    }
    return undefined
  }

  return {
    rotas: { [Symbol.iterator]: () => rotas.values() },
    add(feed) {
      const rota = rotaOf(feed)
      const turn = turnOf(rota, feed.projectId)
      turn.feeds.add(feed)
      turns.set(feed, turn)
      wake(feed)
      return rota
    },
    wake,
    remove(feed) {
      const turn = turns.get(feed)
      if (!turn) return
      turns.delete(feed)
      turn.feeds.delete(feed)
      passOver(turn, feed)
      if (turn.feeds.size === 0) turn.rota.turns.delete(turn.projectId)
    },
    next(rota, lane) {
      return (
        (rota.suspects.size > 0 && takesSuspects(lane.backend) && first(rota.suspects, () => true)) ||
        (rota.ready.size > 0 && first(rota.ready, (flight) => !prefersAnother(flight, lane))) ||
        newLine(rota)
      )
    },
  }
}

/** Takes the first that may go. */
function first(flights: Set<Flight>, mayGo: (flight: Flight) => boolean): Flight | undefined {
  let looked = 0
  for (const flight of flights) {
    if (mayGo(flight)) {
      flights.delete(flight)
      return flight
    }
    if (++looked === looks) return undefined
  }
  return undefined
}

const takesSuspects = ({ suspect, suspectsOut, suspectsMost }: Backend): boolean => suspect === null && suspectsOut < suspectsMost

const prefersAnother = ({ avoid, rota }: Flight, { backend }: Lane): boolean =>
  avoid === backend &&
  rota.lanes.some((l) => l.backend !== backend && l.backend.open && l.backend.ceiling > 0 && l.restsUntil === 0)
