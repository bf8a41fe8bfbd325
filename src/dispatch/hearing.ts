import { withAliases } from '../domain/rewrite.ts'
import type { Told } from './discovery.ts'
import type { Gate } from './gate.ts'
import { setModels } from './lanes.ts'
import type { Backend, Lane, Rota } from './state.ts'

type HeardModels = (url: string, models: readonly string[]) => void

/** Hears what backends tell: which models they have, and whether they are there. */
export interface Hearing {
  told(backend: Backend, heard: Told): void
  onModels(listener: HeardModels): void
}

export interface HearingParts {
  readonly backends: readonly Backend[]
  readonly rotas: Iterable<Rota>
  readonly gate: Gate
  readonly startInFlight: number
  readonly now: () => number
  /** A lane that is new, of a backend that is open. */
  readonly opened: (lane: Lane) => void
}

export function makeHearing({ backends, rotas, gate, startInFlight, now, opened }: HearingParts): Hearing {
  const listeners: HeardModels[] = []
  return {
    told(backend, heard) {
      backend.toldAt = now()
      switch (heard.kind) {
        case 'models': {
          const models = withAliases(heard.models, backend.settings.aliases)
          if (backend.settings.models === null && models.join('\n') !== backend.models?.join('\n')) {
            const fresh = setModels(backend, models, rotas, startInFlight)
            for (const listener of listeners) listener(backend.settings.url, models)
            if (backend.open) fresh.forEach(opened)
          }
          return gate.open(backend)
        }
        case 'there':
          if (backend.models === null) return gate.shut(backend, heard.trouble)
          return gate.open(backend)
        case 'away':
          if (!backend.open) gate.shut(backend, heard.trouble)
      }
    },
    onModels(listener) {
      listeners.push(listener)
      for (const { settings, models } of backends) if (models) listener(settings.url, models)
    },
  }
}
