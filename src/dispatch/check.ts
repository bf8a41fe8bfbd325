/** What a backend turns out to be that nobody knows yet: asked by a few small requests, for an operator who wants to write its settings. */
import { Pool } from 'undici'
import { isThere, kindOf, metricsIn } from '../domain/backend-kind.ts'
import { endpoints } from '../domain/endpoints.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Clock } from '../kit/clock.ts'
import { readTold, type Told } from './discovery.ts'
import type { BackendSettings } from './feed.ts'
import { outcomeOf } from './http/failure.ts'
import { proxyRefused, routeTo, type Route } from './http/route.ts'
import { unpack } from './http/unpack.ts'

export interface CheckedBackend {
  readonly url: string
  /** The server's name, if it shows it. */
  readonly kind: string | null
  readonly told: Told
  /** Those of ours that it has. */
  readonly endpoints: readonly string[]
  /** Names of its gauges; null: it shows no metrics. */
  readonly gauges: readonly string[] | null
  /** One small request, as a line of a batch would be; null: there was no model or no endpoint to ask. */
  readonly first: { readonly endpoint: string; readonly model: string; readonly status: number; readonly ms: number } | null
}

const askMs = 10_000
const firstMs = 120_000
/** What is read of an answer. */
const maxBytes = 4 * 1024 * 1024

/** Small enough that any model answers it in a moment. */
const smallest: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { messages: [{ role: 'user', content: 'Say hello.' }], max_tokens: 4 },
  '/v1/completions': { prompt: 'Hello', max_tokens: 4 },
  '/v1/embeddings': { input: 'hello' },
}

interface Answer {
  readonly status: number
  readonly server: string
  readonly body: Buffer
}

export async function checkBackend(
  backend: Pick<BackendSettings, 'url' | 'key' | 'headers' | 'tls' | 'proxy'>,
  clock: Clock,
): Promise<CheckedBackend> {
  const { url, key, headers } = backend
  const route = routeTo(backend, askMs)
  await using opened = closing(new Pool(route.origin, { connections: 2, connect: route.connect }))
  const all = { ...route.headers, ...headers, ...(key !== null && { authorization: `Bearer ${key}` }) }
  const ask = (path: string, body: object | null, ms = askMs) => send(opened.pool, route.prefix + path, all, body, ms)

  const { told, server, owners } = await ask('/v1/models', null).then((answer) => modelsOf(answer, route), nobody)
  if (told.kind === 'away') return { url, kind: null, told, endpoints: [], gauges: null, first: null }
  const page = await ask('/metrics', null).catch(() => null)
  const metrics = page?.status === 200 ? metricsIn(page.body.toString()) : null
  const namesOf = (some: typeof metrics) => some?.map(({ name }) => name) ?? []
  const has: string[] = []
  for (const { url: path } of endpoints) {
    const answer = await ask(path, {}).catch(() => null)
    if (answer && isThere(answer.status, answer.body.toString())) has.push(path)
  }
  return {
    url,
    kind: kindOf({ server, owners, metrics: namesOf(metrics) }),
    told,
    endpoints: has,
    gauges: metrics && namesOf(metrics.filter(({ type }) => type === 'gauge')),
    first: await firstRequest(),
  }

  async function firstRequest(): Promise<CheckedBackend['first']> {
    const [model] = told.kind === 'models' ? told.models : []
    const endpoint = has.find((path) => smallest[path])
    if (model === undefined || endpoint === undefined) return null
    const from = clock.monotonic()
    const answer = await ask(endpoint, { model, ...smallest[endpoint] }, firstMs).catch(() => null)
    return answer && { endpoint, model, status: answer.status, ms: clock.monotonic() - from }
  }
}

const closing = (pool: Pool) => ({ pool, [Symbol.asyncDispose]: () => pool.destroy() })

async function send(
  pool: Pool,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: object | null,
  ms: number,
): Promise<Answer> {
  const answer = await pool.request({
    path,
    method: body ? 'POST' : 'GET',
    headers: { 'accept-encoding': 'identity', ...headers, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(ms),
    reset: true, // NOTE: a server may leave the body of what it refuses in the connection, and take it for the next request
  })
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxBytes) throw new Error(`its answer has more than ${maxBytes} bytes`)
  }
  const unpacked = unpack(String(answer.headers['content-encoding'] ?? '').toLowerCase(), chunks, maxBytes)
  if (!Array.isArray(unpacked)) throw new Error('its answer cannot be unpacked')
  return { status: answer.statusCode, server: String(answer.headers.server ?? ''), body: Buffer.concat(unpacked) }
}

/** What the answer for its models says of it. */
interface Seen {
  readonly told: Told
  readonly server: string
  readonly owners: readonly string[]
}

function modelsOf({ status, server, body }: Answer, { proxied }: Route): Seen {
  const outcome: Outcome = { kind: 'answered', status, requestId: null, retryAfterMs: null, body: [body] }
  return { told: readTold(proxied ? proxyRefused(outcome) : outcome), server, owners: ownersIn(body) }
}

function nobody(error: unknown): Seen {
  const late = error instanceof Error && error.name === 'TimeoutError'
  return { told: readTold(late ? { kind: 'timeout', phase: 'first-byte' } : outcomeOf(error, false)), server: '', owners: [] }
}

function ownersIn(body: Buffer): string[] {
  try {
    const { data } = JSON.parse(body.toString()) as { data?: readonly { owned_by?: unknown }[] }
    return (data ?? []).map((model) => model.owned_by).filter((owner) => typeof owner === 'string')
  } catch {
    return []
  }
}
