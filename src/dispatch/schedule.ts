/**
 * Who may send next: flights that come back before new lines; then the project that was served least by its weight; within a project as `order.ts` says. A
 * flight that the backend refused takes turns with new lines: it may be refused each time, and those of one project must not hold up all.
 *
 * Projects are served by tokens: start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queuing", 1996) with the counters of "Fairness in Serving Large
 * Language Models" (Sheng et al., 2024). A line is charged what it is taken for when it goes, and what it really took when its answer says so. Who had nothing to
 * send begins where the others are: time without lines saves up nothing.
 *
 * The bound, for any two projects of weights w and w', and any interval in which both always have lines at hand. Let C be the most tokens that a line takes or is
 * taken for, and N how many lines of a project are in flight at most. Who is served has the lowest rank, so just after it is at most C/w ahead of any other; what is in
 * flight then can still be corrected by N*C/w of the one, and N*C/w' of the other. So a rank is never further than (N+1)*C/w + N*C/w' ahead of another.
 * A rank tells what its project's ended lines took, and what those in flight are taken for, which is N*C/w at most. So the tokens of lines that ended in the
 * interval, by weight, differ by at most (3N+1) * C * (1/w + 1/w').
 */
import type { Feed, Sendable } from './feed.ts'
import { makeHeap } from './heap.ts'
import { makeOrder } from './order.ts'
import type { Backend, Flight, Lane, Rota, Turn } from './state.ts'

export interface Schedule {
  add(feed: Feed): Rota
  /** There may be lines at hand again, or its weight changed, or whether it is at risk. undefined: it was removed. */
  wake(feed: Feed): Rota | undefined
  remove(feed: Feed): void
  readonly rotas: Iterable<Rota>
  /** The next flight for this lane, no longer in the rota. */
  next(rota: Rota, lane: Lane): Flight | undefined
  /** What its answer says that it took; null: it does not say. */
  served(flight: Flight, tokens: number | null): void
}

/** How many flights are looked at for one that may go to this lane, before it is a new line's turn. */
const looks = 8
/** So many projects that have nothing to send are remembered for what they were served, before those are forgotten that owe nothing. */
const remembered = 1000

/** `fresh` gives a new rota its lanes; `board` makes a flight of a line, unless it was stopped already. */
export function makeSchedule(
  fresh: (rota: Rota) => void,
  board: (turn: Turn, feed: Feed, line: Sendable) => Flight | undefined,
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
      projects: makeHeap(),
      served: 0,
      ready: new Set(),
      refused: new Set(),
      suspects: new Set(),
    }
    rotas.set(key, rota)
    fresh(rota)
    return rota
  }

  function turnOf(rota: Rota, projectId: string): Turn {
    const known = rota.turns.get(projectId)
    if (known) return known
    if (rota.turns.size >= remembered) forgetIdle(rota)
    const turn: Turn = { rota, projectId, feeds: new Set(), atHand: makeOrder(), rank: rota.served, heapIndex: -1 }
    rota.turns.set(projectId, turn)
    return turn
  }

  function wake(feed: Feed): Rota | undefined {
    const turn = turns.get(feed)
    if (!turn) return undefined
    turn.atHand.add(feed)
    const { rota } = turn
    if (!has(turn)) rota.projects.put(turn, Math.max(turn.rank, rota.served))
    return rota
  }

  function passOver(turn: Turn, feed: Feed): void {
    turn.atHand.remove(feed)
    if (turn.atHand.size === 0) turn.rota.projects.remove(turn)
  }

  function newLine(rota: Rota): Flight | undefined {
    for (let turn = rota.projects.first; turn; turn = rota.projects.first) {
      const feed = turn.atHand.next()
      if (!feed) {
        rota.projects.remove(turn)
        continue
      }
      const line = feed.take()
      if (!line) {
        passOver(turn, feed)
        continue
      }
      const flight = board(turn, feed, line)
      if (!flight) continue
      rota.served = turn.rank
      flight.charged = feed.tokensALine
      charge(turn, flight.charged / feed.weight)
      return flight
    }
    return undefined
  }

  function newOf(rota: Rota, lane: Lane): Flight | undefined {
    const flight = newLine(rota)
    if (flight) lane.owesNew = false
    return flight
  }

  function refusedOf(rota: Rota, lane: Lane): Flight | undefined {
    if (rota.refused.size === 0) return undefined
    const flight = first(rota.refused, (one) => !prefersAnother(one, lane))
    if (flight) lane.owesNew = true
    return flight
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
    },
    next(rota, lane) {
      return (
        (rota.suspects.size > 0 && takesSuspects(lane.backend) && first(rota.suspects, () => true)) ||
        (rota.ready.size > 0 && first(rota.ready, (flight) => !prefersAnother(flight, lane))) ||
        (lane.owesNew ? (newOf(rota, lane) ?? refusedOf(rota, lane)) : (refusedOf(rota, lane) ?? newOf(rota, lane)))
      )
    },
    served(flight, tokens) {
      if (tokens === null) return
      const { turn, feed, charged } = flight
      flight.charged = tokens
      charge(turn, (tokens - charged) / feed.weight)
    },
  }
}

const has = (turn: Turn): boolean => turn.heapIndex >= 0

function charge(turn: Turn, byWeight: number): void {
  if (has(turn)) turn.rota.projects.put(turn, turn.rank + byWeight)
  else turn.rank += byWeight
}

function forgetIdle({ turns, served }: Rota): void {
  for (const { projectId, feeds, rank } of turns.values()) if (feeds.size === 0 && rank <= served) turns.delete(projectId)
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

const prefersAnother = ({ avoid, turn }: Flight, { backend }: Lane): boolean =>
  avoid === backend &&
  turn.rota.lanes.some((l) => l.backend !== backend && l.backend.open && l.backend.ceiling > 0 && l.restsUntil === 0)
