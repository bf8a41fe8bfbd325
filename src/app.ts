/** The composition root of a server: an engine and the API in front of it. */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { resolve } from 'node:path'
import type { Guard } from './api/guard/guard.ts'
import { makeApi } from './api/server.ts'
import { renewCertificate } from './api/serving.ts'
import { makeWorkerServer } from './api/worker-server.ts'
import { prepareProjects, type FirstStart } from './auth/first-start.ts'
import type { ApiParts } from './api/parts.ts'
import type { SubjectParts } from './auth/subjects.ts'
import { priceList, servingTls, type Settings } from './config.ts'
import { checkBackend, type CheckedBackend } from './dispatch/check.ts'
import { askModels, type Told } from './dispatch/discovery.ts'
import type { BackendStatus } from './dispatch/feed.ts'
import { makeTransport } from './dispatch/http/transport.ts'
import { offeredEndpoints } from './domain/endpoints.ts'
import type { RateLimits } from './domain/rate.ts'
import {
  dispatchSettings,
  fetchRules,
  inlinesImages,
  makeDryRun,
  openEngine,
  runEngine,
  type Engine,
  type Outside,
} from './engine.ts'
import { systemClock } from './kit/clock.ts'
import type { Metrics } from './kit/metrics.ts'
import { version } from './kit/version.ts'
import { createBatches } from './store/create-batches.ts'
import type { Db } from './store/db.ts'
import { gather } from './store/gather.ts'
import { makeWorkers } from './workers.ts'

/** Creates of one transaction, at most. */
const createsAtOnce = 32

export interface App extends AsyncDisposable {
  readonly url: string
  readonly db: Db
  /** The project and key that the first start of a data folder made, or those of an earlier one without the key. */
  readonly first: FirstStart
  backends(): readonly BackendStatus[]
  /** Works until stopped; resolves when everything is saved and given back. */
  run(signal: AbortSignal): Promise<void>
}

const ratesOf = ({ requestsPerSecond, createsPerHour, uploadsPerHour }: Settings): RateLimits => ({
  ...(requestsPerSecond > 0 && { requests_per_second: requestsPerSecond }),
  ...(createsPerHour > 0 && { creates_per_hour: createsPerHour }),
  ...(uploadsPerHour > 0 && { uploads_per_hour: uploadsPerHour }),
})

/** NOTE: loaded late: most servers have no issuers. */
async function subjectsOf({ issuers }: Settings, parts: SubjectParts): Promise<Pick<ApiParts, 'subjectOf'>> {
  if (issuers.length === 0) return {}
  const { makeSubjects } = await import('./auth/subjects.ts')
  return { subjectOf: makeSubjects(issuers, parts) }
}

/** API and worker in one process, listening when it resolves. `guard`: who is let in, where it is not who has a key. */
export async function startServe(settings: Settings, outside: Partial<Outside> = {}, guard?: Guard): Promise<App> {
  const tls = servingTls(settings)
  const engine = await openEngine(settings, outside)
  const { db, parts, dispatcher, events, metrics, hold, newUuid } = engine
  const { clock, log } = parts
  const workers = settings.workers > 1 ? makeWorkers(engine, settings) : null
  const backends = () => workers?.backends() ?? dispatcher.backends()
  let made: FastifyInstance | null = null
  let running: AbortSignal | undefined
  try {
    const api = (made = await makeApi(
      {
        db,
        files: parts.files,
        scratch: parts.scratch,
        openBucket: parts.openBucket,
        clock,
        events,
        metrics: { ...metrics, page: () => metrics.page(workers?.metrics()) },
        randomBytes,
        newUuid,
        createTogether: gather(db, createBatches, createsAtOnce),
        version,
        folder: resolve(settings.data),
        limits: {
          rates: ratesOf(settings),
          auditMs: settings.auditKeep,
          maxFileBytes: settings.maxFileBytes,
          idleMs: settings.idleTimeout,
          inlinesImages: inlinesImages(settings),
          endpoints: offeredEndpoints(settings.backends.map((b) => b.endpoints)),
          windows: [...new Set(['24h', ...settings.windows])],
          fileMs: settings.fileExpiry,
        },
        prices: priceList(settings),
        webhooks:
          settings.signingKeys.length === 0 && settings.database !== ''
            ? null
            : { rules: fetchRules(settings), signingKeys: parts.webhooks.signingKeys },
        dryRun: makeDryRun(parts),
        readiness: async () => (running?.aborted ? ['it is stopping'] : readiness(db, backends(), settings)),
        ...(await subjectsOf(settings, { db, clock, newUuid, fetch })),
        serving: { tls, maxConnections: settings.maxConnections, headerMs: settings.headerTime, proxies: settings.proxies },
      },
      guard,
    ))
    gaugeBackends(metrics, backends)
    await api.listen({ host: settings.host, port: settings.port })
    const url = `${tls ? 'https' : 'http'}://${hostOf(api)}`
    await hold?.describe({ url })
    const first = await prepareProjects({ db, clock, newUuid, randomBytes }, settings, url)
    return {
      url,
      db,
      first,
      backends,
      async run(signal) {
        running = signal
        if (tls) void renewCertificate(api.server as Server, tls, { read: () => servingTls(settings), clock, log }, signal)
        if (workers) await workers.run(settings.workers, signal)
        else if (settings.workers > 0) await runEngine(engine, signal)
        else while (!signal.aborted) await clock.sleep(2 ** 31 - 1, signal)
      },
      async [Symbol.asyncDispose]() {
        await closeApi(api)
        await engine[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    if (made) await closeApi(made)
    await engine[Symbol.asyncDispose]()
    throw error
  }
}

/**
 * A worker alone, beside others on one database and one store of blobs. Resolves when it was stopped and everything is saved and given back. `started` is told
 * where it tells of itself; null: nowhere.
 */
export async function runWorkerAlone(
  settings: Settings,
  signal: AbortSignal,
  started: (url: string | null) => void,
): Promise<void> {
  const engine = await openEngine(settings)
  const server = settings.workerPort > 0 ? openWorkerServer(engine, settings) : null
  try {
    await server?.listen({ host: settings.host, port: settings.workerPort })
    started(server && `http://${hostOf(server)}`)
    await runEngine(engine, signal)
  } finally {
    if (server) await closeApi(server)
    await engine[Symbol.asyncDispose]()
  }
}

function openWorkerServer({ db, dispatcher, metrics }: Engine, settings: Settings): FastifyInstance {
  const backends = () => dispatcher.backends()
  gaugeBackends(metrics, backends)
  return makeWorkerServer(
    { metrics, readiness: () => readiness(db, backends(), { backends: settings.backends, workers: 1 }) },
    { maxConnections: settings.maxConnections, headerMs: settings.headerTime },
  )
}

/** Where it listens: host and port, as they stand in an address. */
function hostOf({ server }: FastifyInstance): string {
  const { address, port, family } = server.address() as AddressInfo
  return `${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

function gaugeBackends(metrics: Metrics, backends: () => readonly BackendStatus[]): void {
  const each = (value: (b: BackendStatus) => number) => () => backends().map((b) => [{ backend: b.url }, value(b)] as const)
  metrics.gauge(
    'nightshift_backend_in_flight',
    'Calls that are open',
    ['backend'],
    each((b) => b.inFlight),
  )
  metrics.gauge(
    'nightshift_backend_limit',
    'Calls that may be open now',
    ['backend'],
    each((b) => b.limit),
  )
}

/** Asks each backend of the settings for its models, once. */
export async function askBackends(settings: Settings): Promise<{ url: string; told: Told }[]> {
  const one = dispatchSettings(settings)
  const transport = makeTransport(one, systemClock)
  return Promise.all(
    one.backends.map(async (backend) => ({
      url: backend.url,
      told: backend.models
        ? { kind: 'models', models: backend.models }
        : await askModels(transport, backend, AbortSignal.timeout(10_000)),
    })),
  )
}

export type { CheckedBackend } from './dispatch/check.ts'

/** Whether the keys of each issuer of the settings can be read, and if not, why. */
export async function askIssuers({ issuers }: Settings): Promise<{ url: string; trouble: string | null }[]> {
  const { readKeys } = await import('./auth/tokens.ts')
  return Promise.all(
    issuers.map(async (issuer) => ({
      url: issuer.url,
      trouble: await readKeys(issuer, { clock: systemClock, fetch }).then(
        () => null,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      ),
    })),
  )
}

/** Looks closely at one backend. */
export const askBackend = (backend: Settings['backends'][number]): Promise<CheckedBackend> => checkBackend(backend, systemClock)

const closeSweepMs = 50
const closeAtMostMs = 5000

/** A connection that was busy when the closing began and is kept alive by its client would hold up the end for as long as that likes: it is closed once it is idle, and in any case soon. */
async function closeApi(api: FastifyInstance): Promise<void> {
  const sweeping = setInterval(() => api.server.closeIdleConnections(), closeSweepMs)
  const last = setTimeout(() => api.server.closeAllConnections(), closeAtMostMs)
  try {
    await api.close()
  } finally {
    clearInterval(sweeping)
    clearTimeout(last)
  }
}

async function readiness(
  db: Db,
  backends: readonly BackendStatus[],
  settings: Pick<Settings, 'backends' | 'workers'>,
): Promise<string[]> {
  const reasons: string[] = []
  await db.query('select 1 as one').catch(() => reasons.push('the database cannot be reached'))
  if (settings.workers > 0 && settings.backends.length === 0) reasons.push('no backend is set: start with --backend URL')
  else if (settings.workers > 0 && backends.length === 0) reasons.push('no worker has started yet')
  else if (settings.workers > 0 && backends.every((b) => b.state === 'closed'))
    reasons.push(...backends.map((b) => `backend ${b.url}: ${b.trouble ?? 'not asked yet'}`))
  return reasons
}

export { startSimulator } from './dispatch/simulate/simulator.ts'
export { systemClock } from './kit/clock.ts'
