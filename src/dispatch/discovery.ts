import type { Outcome } from '../domain/outcome.ts'
import type { Clock } from '../kit/clock.ts'
import type { Bell } from '../kit/forever.ts'
import type { BackendSettings } from './feed.ts'
import type { Transport } from './http/transport.ts'
import type { Backend } from './state.ts'

/** What `GET /v1/models` says: discovery while a backend is open, the probe while it is not. */
export type Told =
  | { readonly kind: 'models'; readonly models: readonly string[] }
  /** Somebody is there, but what models it has must be said in the settings. */
  | { readonly kind: 'there'; readonly trouble: string }
  | { readonly kind: 'away'; readonly trouble: string }

const away = new Set([502, 503, 504, 521, 522, 523])

/** `listed`: its models are in the settings, and this is only a probe: whoever answers is there, unless it says that it cannot serve. */
export function readTold(outcome: Outcome, listed = false): Told {
  switch (outcome.kind) {
    case 'answered': {
      const { status } = outcome
      if (status === 401 || status === 403) return { kind: 'there', trouble: `it refuses the key (${status} from /v1/models)` }
      if (listed ? away.has(status) : status >= 500) return { kind: 'away', trouble: `it answers ${status}` }
      const models = status === 200 ? parseModels(Buffer.concat(outcome.body)) : null
      if (models) return { kind: 'models', models }
      return {
        kind: 'there',
        trouble: `its /v1/models (${status}) is not a list of models: list them in the settings ("models: [...]")`,
      }
    }
    case 'too-large':
      return { kind: 'there', trouble: 'its list of models is too large: list them in the settings ("models: [...]")' }
    case 'timeout':
      return {
        kind: 'away',
        trouble: outcome.phase === 'connect' ? 'it does not accept connections in time' : 'it does not answer in time',
      }
    case 'unreachable':
    case 'broken':
      return { kind: 'away', trouble: `it cannot be reached (${outcome.message})` }
    case 'ours':
    case 'unfetched':
      return { kind: 'away', trouble: `this machine cannot connect (${outcome.message})` }
  }
}

function parseModels(body: Buffer): string[] | null {
  try {
    const { data } = JSON.parse(body.toString()) as { data?: unknown }
    if (!Array.isArray(data)) return null
    return data
      .map((m: unknown) => (typeof m === 'object' && m !== null && 'id' in m ? m.id : null))
      .filter((id) => typeof id === 'string')
  } catch {
    return null
  }
}

export interface WatchParts {
  readonly clock: Clock
  readonly everyMs: number
  /** How long to the next probe, after so many in vain. */
  readonly probeMs: (failures: number) => number
  readonly told: (told: Told) => void
  /** Rung when the backend is to be asked at once. */
  readonly bell: Bell
}

/** Asks once, for an operator who wants to know. */
export async function askModels(transport: Transport, backend: BackendSettings, signal: AbortSignal): Promise<Told> {
  const wire = transport(backend, () => {})
  try {
    return readTold((await wire.ask('/v1/models', signal)) ?? { kind: 'timeout', phase: 'first-byte' })
  } finally {
    await wire.close()
  }
}

/** Asks a backend until stopped: now and then while it is open, with growing pauses while it is shut. One whose models are listed is asked only as a probe. */
export async function watch(
  backend: Backend,
  { clock, everyMs, probeMs, told, bell }: WatchParts,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted;) {
    if (!backend.open || backend.settings.models === null) {
      const outcome = await backend.wire.ask('/v1/models', signal)
      if (outcome) told(readTold(outcome, backend.settings.models !== null))
    }
    if (backend.open) {
      failures = 0
      await bell.wait(everyMs, signal)
    }
    if (!backend.open) await clock.sleep(probeMs(failures++), signal)
  }
}
