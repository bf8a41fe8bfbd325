import { freshLane, type Lane } from '../domain/lane.ts'
import type { Breaks } from './breaks.ts'
import type { BackendSettings } from './feed.ts'
import type { Gate } from './gate.ts'
import type { Taken } from './taken.ts'
import type { Transport } from './transport.ts'

/** One inference server as it is now. */
export interface Backend {
  readonly settings: BackendSettings
  readonly transport: Transport
  readonly lanes: Map<string, LaneState>
  readonly gate: Gate
  readonly breaks: Breaks
  /** null: it has not told yet. */
  models: readonly string[] | null
  trouble: string | null
  inFlight: number
}

/** One model on one backend. */
export interface LaneState {
  readonly backend: Backend
  readonly model: string
  readonly gate: Gate
  lane: Lane
  inFlight: number
}

export const serves = (backend: Backend, model: string, endpoint: string): boolean =>
  (backend.models?.includes(model) ?? false) && (backend.settings.endpoints?.includes(endpoint) ?? true)

/** How many calls the lane may open now: its limit, the ceiling that it shares with the backend's other lanes, and the gates. */
export function freeRoom(state: LaneState): number {
  const { backend, gate, lane, inFlight } = state
  return Math.min(
    lane.limit - inFlight,
    backend.settings.maxInFlight - backend.inFlight,
    gate.room - inFlight,
    backend.gate.room - backend.inFlight,
  )
}

/** While a backend has suspects, nothing else goes to it, and they go alone. */
export function suspectToSend(backend: Backend): Taken | undefined {
  const { suspect } = backend.breaks
  return suspect && suspect.call === null && backend.inFlight === 0 ? suspect : undefined
}

export function laneOf(backend: Backend, model: string, startAt: number, makeGate: () => Gate): LaneState {
  const known = backend.lanes.get(model)
  if (known) return known
  const state: LaneState = {
    backend,
    model,
    gate: makeGate(),
    lane: freshLane(Math.max(1, Math.min(startAt, backend.settings.maxInFlight))),
    inFlight: 0,
  }
  backend.lanes.set(model, state)
  return state
}
