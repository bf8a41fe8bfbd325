import { freshPace } from '../domain/lane.ts'
import type { Rewrite } from '../domain/rewrite.ts'
import type { Bell } from '../kit/forever.ts'
import type { BackendSettings, BackendStatus } from './feed.ts'
import type { Wire } from './http/transport.ts'
import { makeRing } from './ring.ts'
import type { Backend, Flight, Lane, Rota } from './state.ts'

/** A backend of which nothing is known yet but what the settings say. */
export const freshBackend = (settings: BackendSettings, wire: Wire<Flight>, askBell: Bell): Backend => ({
  settings,
  wire,
  lanes: new Map(),
  busy: makeRing(),
  models: settings.models,
  open: settings.models !== null,
  ceiling: settings.maxInFlight,
  trouble: null,
  inFlight: 0,
  heardAt: -Infinity,
  brokeAt: -Infinity,
  judged: new Set(),
  suspectsOut: 0,
  suspectsMost: 1,
  suspect: null,
  toldAt: -Infinity,
  askBell,
})

/** Makes the lanes for the models that a backend has now, and no others: flights of those that went end as they are. Gives the new ones. */
export function setModels(backend: Backend, models: readonly string[], rotas: Iterable<Rota>, startInFlight: number): Lane[] {
  const named = new Set(models)
  backend.models = [...named]
  const all = [...rotas]
  for (const lane of backend.lanes.values()) if (!named.has(lane.model)) takeAway(lane, all)
  const fresh = [...named].filter((model) => !backend.lanes.has(model)).map((model) => makeLane(backend, model, startInFlight))
  for (const lane of fresh) {
    backend.lanes.set(lane.model, lane)
    for (const rota of all) attach(rota, lane)
  }
  return fresh
}

/** Gives a new rota its lanes. */
export function joinLanes(rota: Rota, backends: readonly Backend[]): void {
  for (const backend of backends) {
    const lane = backend.lanes.get(rota.model)
    if (lane) attach(rota, lane)
  }
}

/** null where a body goes out as it was written: then nothing of it is looked at. */
function rewriteOf({ settings: { aliases, priority = null } }: Backend, model: string): Rewrite | null {
  const own = aliases && Object.hasOwn(aliases, model) ? aliases[model] : undefined
  if (own === undefined && priority === null) return null
  return {
    model: own === undefined ? null : Buffer.from(JSON.stringify(own)),
    priority: priority === null ? null : Buffer.from(String(priority)),
  }
}

export const startPace = ({ settings }: Backend, startInFlight: number) =>
  freshPace(Math.max(1, Math.min(startInFlight, settings.maxInFlight)))

/** What its lane for the model may have in flight now; 0: it has none for this endpoint, or is shut. */
export function limitOf(backend: Backend, model: string, endpoint: string): number {
  return backend.open && serves(backend, endpoint) ? Math.min(backend.lanes.get(model)?.pace.limit ?? 0, backend.ceiling) : 0
}

export function statusOf({ settings, models, open, trouble, inFlight, ceiling, lanes }: Backend): BackendStatus {
  const all = [...lanes.values()]
  const resting = all.length > 0 && all.every((lane) => lane.restsUntil > 0)
  return {
    url: settings.url,
    models,
    state: open && !resting ? 'open' : 'closed',
    trouble: trouble ?? (resting ? `it accepts nothing: ${[...new Set(all.map((lane) => lane.trouble))].join('; ')}` : null),
    inFlight,
    limit: Math.min(
      ceiling,
      all.reduce((sum, { pace }) => sum + pace.limit, 0),
    ),
    most: settings.maxInFlight,
  }
}

const serves = ({ settings }: Backend, endpoint: string): boolean => settings.endpoints?.includes(endpoint) ?? true

const makeLane = (backend: Backend, model: string, startInFlight: number): Lane => ({
  backend,
  model,
  rewrite: rewriteOf(backend, model),
  rotas: makeRing(),
  pace: startPace(backend, startInFlight),
  inFlight: 0,
  credit: 0,
  owesNew: false,
  refusals: 0,
  trouble: '',
  restsUntil: 0,
})

function attach(rota: Rota, lane: Lane): void {
  if (lane.model !== rota.model || !serves(lane.backend, rota.endpoint)) return
  rota.lanes.push(lane)
  lane.rotas.add(rota)
}

function takeAway(lane: Lane, rotas: readonly Rota[]): void {
  lane.backend.lanes.delete(lane.model)
  lane.backend.busy.remove(lane)
  for (const rota of rotas) {
    const at = rota.lanes.indexOf(lane)
    if (at >= 0) rota.lanes.splice(at, 1)
  }
}
