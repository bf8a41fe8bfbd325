import { backoffMs } from '../domain/backoff.ts'
import type { Clock } from '../kit/clock.ts'
import type { Transport } from './transport.ts'

/** What asking a backend for its models came to. */
export type Told =
  { readonly kind: 'models'; readonly models: readonly string[] } | { readonly kind: 'trouble'; readonly trouble: string }

const whileUnknown = { baseMs: 250, maxMs: 5_000 }

export async function askModels(transport: Transport, signal: AbortSignal): Promise<Told> {
  try {
    const { status, body } = await transport.get('/v1/models', signal)
    if (status === 404) return { kind: 'trouble', trouble: 'it has no /v1/models: list its models in the settings' }
    if (status === 401 || status === 403) return { kind: 'trouble', trouble: `it refuses the key (${status} from /v1/models)` }
    if (status !== 200) return { kind: 'trouble', trouble: `/v1/models answered ${status}` }
    const models = parseModels(body)
    return models
      ? { kind: 'models', models }
      : { kind: 'trouble', trouble: '/v1/models answered something that is not a list of models' }
  } catch (error) {
    return { kind: 'trouble', trouble: `it cannot be reached (${codeOf(error)})` }
  }
}

function parseModels(body: string): string[] | null {
  try {
    const { data } = JSON.parse(body) as { data?: unknown }
    if (!Array.isArray(data)) return null
    return data
      .map((m: unknown) => (typeof m === 'object' && m !== null && 'id' in m ? m.id : null))
      .filter((id) => typeof id === 'string')
  } catch {
    return null
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error
    ? 'code' in error && typeof error.code === 'string'
      ? error.code
      : error.cause
        ? codeOf(error.cause)
        : error.name
    : 'unknown'

/** Asks again and again: soon while nothing is known, then at leisure. */
export async function discover(
  {
    transport,
    clock,
    random,
    everyMs,
    told,
  }: { transport: Transport; clock: Clock; random: () => number; everyMs: number; told: (told: Told) => void },
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted;) {
    const answer = await askModels(transport, signal)
    if (signal.aborted) return
    told(answer)
    failures = answer.kind === 'models' ? 0 : failures + 1
    await clock.sleep(failures === 0 ? everyMs : 100 + backoffMs(failures, whileUnknown, random), signal)
  }
}
