/**
 * What the dispatcher remembers, in three words: a *flight* is a line between being taken from its feed and its end; a *lane* is one model on one backend; a
 * *rota* is what may be sent for one model and endpoint, and by whom in turn. Types only: who moves what is said in the files that do.
 */
import type { Pace } from '../domain/lane.ts'
import type { Rewrite } from '../domain/rewrite.ts'
import type { Bell } from '../kit/forever.ts'
import type { BackendSettings, Feed, Sendable } from './feed.ts'
import type { Heap, Ranked } from './heap.ts'
import type { Order } from './order.ts'
import type { Ring } from './ring.ts'
import type { Call } from './http/slot.ts'
import type { Wire } from './http/transport.ts'

/**
 * Where a flight is.
 * ready: in its rota, goes as soon as a lane has room · out: its call is open · waiting: for the time of its next attempt · judged: its connection broke a
 * moment ago, and what else breaks will show whether the backend died · draining: it goes when nothing else is in flight on its backend · over: told to the feed
 */
export type Place = 'ready' | 'out' | 'waiting' | 'judged' | 'draining' | 'over'

/** `rank`: while it waits, when it goes on. */
export interface Flight extends Ranked {
  readonly feed: Feed
  readonly line: Sendable
  readonly turn: Turn
  /** Tokens that its project was charged for it. */
  charged: number
  /** The flights that its signal stops, this one among them. */
  readonly together: Set<Flight>
  place: Place
  /** While it is out or draining: on which lane. */
  lane: Lane | null
  call: Call | null
  sentAt: number
  burnt: number
  spared: number
  /** How often the backend died while it was out. From the first on it goes a few at a time with the others of which that is true, from the second on alone. */
  deaths: number
  /** How often a backend answered that it has no room, and when it did last. From the first on it takes turns with new lines. */
  refused: number
  refusedAt: number
  /** Where it broke or was late: another backend is better, if there is one. */
  avoid: Backend | null
}

export interface Rota {
  readonly model: string
  readonly endpoint: string
  readonly lanes: Lane[]
  readonly turns: Map<string, Turn>
  /** Projects with lines at hand. */
  readonly projects: Heap<Turn>
  /** The rank of who was served last, when it was served: where a project begins that had nothing to send. */
  served: number
  /** Flights whose time has come: before new lines. */
  readonly ready: Set<Flight>
  /** Of them those that were refused: in turns with new lines. */
  readonly refused: Set<Flight>
  /** Flights that were out when a backend died: before all others, a few at a time. */
  readonly suspects: Set<Flight>
}

/** A project's turn in a rota. `rank`: tokens that it was charged, by its weight; who has the lowest is next. */
export interface Turn extends Ranked {
  readonly rota: Rota
  readonly projectId: string
  readonly feeds: Set<Feed>
  /** Feeds with lines at hand. */
  readonly atHand: Order
}

export interface Lane {
  readonly backend: Backend
  readonly model: string
  /** What its backend wants otherwise in a body; null: nothing. */
  readonly rewrite: Rewrite | null
  readonly rotas: Ring<Rota>
  pace: Pace
  inFlight: number
  /** Lines that it is owed beside the other lanes of its model. */
  credit: number
  /** The last that went had been refused before, or it rested: a new line is next. */
  owesNew: boolean
  /** Nothing of it was accepted, so often in a row. */
  refusals: number
  /** Why, for an operator. */
  trouble: string
  /** Until when nothing is sent, by the monotonic clock; 0: it does not rest. */
  restsUntil: number
}

export interface Backend {
  readonly settings: BackendSettings
  readonly wire: Wire<Flight>
  readonly lanes: Map<string, Lane>
  /** Lanes that may have lines at hand. */
  readonly busy: Ring<Lane>
  models: readonly string[] | null
  open: boolean
  trouble: string | null
  /** Calls that may be open now: its setting, or this worker's part of it. */
  ceiling: number
  inFlight: number
  /** When it last accepted something, and when a connection of it last broke. */
  heardAt: number
  brokeAt: number
  readonly judged: Set<Flight>
  /** Suspects that are out, and how many may be: one after a death, twice as many with each that has an answer. */
  suspectsOut: number
  suspectsMost: number
  /** The suspect that goes alone: it is out, or waits for the backend to drain. */
  suspect: Flight | null
  /** When it last told of its models, or that it is there. */
  toldAt: number
  /** Rung when it is to be asked at once: it was shut, or may have other models now. */
  readonly askBell: Bell
}
