/** The composition root: the one place that knows all rooms. It makes the parts from the settings and joins them. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { makeApi } from './api/server.ts'
import type { BlobsPlace } from './blobs/blobs.ts'
import { openBlobs } from './blobs/open.ts'
import type { Settings } from './config.ts'
import { askModels, type Told } from './dispatch/discovery.ts'
import { makeDispatcher } from './dispatch/dispatcher.ts'
import type { BackendStatus, DispatchSettings, Dispatcher } from './dispatch/feed.ts'
import { makeTransport } from './dispatch/http/transport.ts'
import { offeredEndpoints } from './domain/endpoints.ts'
import { makeUuids } from './domain/ids.ts'
import { makeEvents, type Events } from './events.ts'
import { systemClock, type Clock } from './kit/clock.ts'
import type { Log } from './kit/log.ts'
import { makeMetrics, type Metrics } from './kit/metrics.ts'
import { pinoLog, type LogLevel } from './kit/pino-log.ts'
import type { Db } from './store/db.ts'
import { holdFolder, type FolderHold } from './store/lock.ts'
import { forgetBackends, replaceModels } from './store/models.ts'
import { openDatabase } from './store/open.ts'
import { listTroubles, takeOver } from './store/walks.ts'
import { prepareProjects, type FirstStart } from './auth/first-start.ts'
import type { WorkerParts } from './worker/parts.ts'
import { makePlanner } from './worker/planner.ts'
import { runWorker } from './worker/worker.ts'

/** What may be given in the place of the real thing. */
export interface Outside {
  readonly clock: Clock
  readonly log: Log
}

export interface Engine extends AsyncDisposable {
  readonly db: Db
  readonly parts: WorkerParts
  readonly dispatcher: Dispatcher
  readonly events: Events
  readonly metrics: Metrics
  readonly hold: FolderHold
  readonly newUuid: () => string
}

export interface App extends AsyncDisposable {
  readonly url: string
  readonly db: Db
  /** The project and key that the first start of a data folder made, or those of an earlier one without the key. */
  readonly first: FirstStart
  backends(): readonly BackendStatus[]
  /** Works until stopped; resolves when everything is saved and given back. */
  run(signal: AbortSignal): Promise<void>
}

export const version: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version

const uuids = (clock: Clock) => makeUuids(() => clock.now(), randomBytes)

/** Opens a data folder and everything that works on it, without serving. The folder is this process's until disposed. */
export async function openEngine(
  settings: Settings,
  { clock = systemClock, log = pinoLog(settings.logLevel as LogLevel) }: Partial<Outside> = {},
): Promise<Engine> {
  const folder = resolve(settings.data)
  const hold = await holdFolder(folder)
  let db: Db
  try {
    db = await openDatabase({ folder, clock })
  } catch (error) {
    await hold[Symbol.asyncDispose]()
    throw error
  }
  await takeOver(db)
  const metrics = makeMetrics()
  const events = makeEvents({ log, metrics })
  const blobsFolder = settings.blobs === '' ? folder : resolve(settings.blobs)
  const filesPlace: BlobsPlace = { kind: 'folder', folder: join(blobsFolder, 'files') }
  const scratchPlace: BlobsPlace = { kind: 'folder', folder: join(blobsFolder, 'scratch') }
  for (const place of [filesPlace, scratchPlace]) {
    await mkdir(place.folder, { recursive: true, mode: 0o700 })
    if (settings.blobs === '') await openBlobs(place).sweepTemporary(clock.now()) // NOTE: a folder that others write to is the janitor's, who waits
  }
  const dispatcher = makeDispatcher({ settings: dispatchSettings(settings), clock, random: Math.random, events })
  dispatcher.onModels((url, models) => {
    events.modelsTold(url, models)
    replaceModels(db, url, models, clock.now()).then(
      () => db.hint('run'),
      (error: unknown) => log.warn('models could not be noted', { error }),
    )
  })
  await forgetBackends(
    db,
    settings.backends.map((b) => b.url),
  )
  const planner = makePlanner()
  const newUuid = uuids(clock)
  const parts: WorkerParts = {
    db,
    files: openBlobs(filesPlace),
    scratch: openBlobs(scratchPlace),
    filesPlace,
    scratchPlace,
    dispatcher,
    planner,
    clock,
    log,
    events,
    random: Math.random,
    randomBytes,
    owner: newUuid(),
    settings: workerSettings(settings),
  }
  return {
    db,
    parts,
    dispatcher,
    events,
    metrics,
    hold,
    newUuid,
    async [Symbol.asyncDispose]() {
      await planner[Symbol.asyncDispose]()
      await db[Symbol.asyncDispose]()
      await hold[Symbol.asyncDispose]()
    },
  }
}

/** Runs the worker and its dispatcher; the dispatcher outlives the worker, which lets open calls end. */
export async function runEngine({ parts, dispatcher }: Engine, signal: AbortSignal): Promise<void> {
  const sending = new AbortController()
  const dispatching = dispatcher.run(sending.signal)
  try {
    await runWorker(parts, signal)
  } finally {
    sending.abort()
    await dispatching
  }
}

/** API and worker in one process, listening when it resolves. */
export async function startServe(settings: Settings, outside: Partial<Outside> = {}): Promise<App> {
  const engine = await openEngine(settings, outside)
  const { db, parts, dispatcher, events, metrics, hold, newUuid } = engine
  const { clock } = parts
  try {
    const api = await makeApi({
      db,
      files: parts.files,
      clock,
      events,
      metrics,
      randomBytes,
      newUuid,
      version,
      limits: {
        maxFileBytes: settings.maxFileBytes,
        idleMs: settings.idleTimeout,
        endpoints: offeredEndpoints(settings.backends.map((b) => b.endpoints)),
        windows: settings.windows,
        fileMs: settings.fileExpiry,
      },
      readiness: () => readiness(db, dispatcher, settings),
    })
    metrics.gauge('nightshift_backend_in_flight', 'Calls that are open', ['backend'], () =>
      dispatcher.backends().map((b) => [{ backend: b.url }, b.inFlight] as const),
    )
    metrics.gauge('nightshift_backend_limit', 'Calls that may be open now', ['backend'], () =>
      dispatcher.backends().map((b) => [{ backend: b.url }, b.limit] as const),
    )
    await api.listen({ host: settings.host, port: settings.port })
    const { address, port, family } = api.server.address() as AddressInfo
    const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    await hold.describe({ url })
    const first = await prepareProjects({ db, clock, newUuid, randomBytes }, settings, url)
    return {
      url,
      db,
      first,
      backends: () => dispatcher.backends(),
      async run(signal) {
        if (settings.workers > 0) await runEngine(engine, signal)
        else while (!signal.aborted) await clock.sleep(2 ** 31 - 1, signal)
      },
      async [Symbol.asyncDispose]() {
        await closeApi(api)
        await engine[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await engine[Symbol.asyncDispose]()
    throw error
  }
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

/** For the operator's commands: the database of a data folder, beside a running server. */
export const openStore = (settings: Settings, clock: Clock = systemClock): Promise<Db> =>
  openDatabase({ folder: resolve(settings.data), clock })

/** What keeps batches waiting, for `doctor`. */
export const troubles = (db: Db) => listTroubles(db, 100)

async function readiness(db: Db, dispatcher: Dispatcher, settings: Settings): Promise<string[]> {
  const reasons: string[] = []
  await db.query('select 1 as one').catch(() => reasons.push('the database cannot be reached'))
  const backends = dispatcher.backends()
  if (settings.workers > 0 && backends.length === 0) reasons.push('no backend is set: start with --backend URL')
  else if (settings.workers > 0 && backends.every((b) => b.state === 'closed'))
    reasons.push(...backends.map((b) => `backend ${b.url}: ${b.trouble ?? 'not asked yet'}`))
  return reasons
}

const dispatchSettings = (s: Settings): DispatchSettings => ({
  backends: s.backends.map((b) => ({ ...b, maxInFlight: b.maxInFlight ?? s.maxInFlight })),
  attempts: s.attempts,
  backoffBaseMs: s.backoffBase,
  backoffMaxMs: s.backoffMax,
  connectTimeoutMs: s.connectTimeout,
  firstByteTimeoutMs: s.firstByteTimeout,
  answerTimeoutMs: s.answerTimeout,
  maxAnswerBytes: s.maxAnswerBytes,
  startInFlight: s.startInFlight,
  discoverEveryMs: s.discoverEvery,
})

const workerSettings = (s: Settings): WorkerParts['settings'] => ({
  leaseMs: s.lease,
  renewMs: s.leaseRenew,
  lookMs: s.look,
  flushMs: s.flushEvery,
  flushBytes: s.flushBytes,
  heldBytes: s.heldBytes,
  shardLines: s.shardLines,
  shardBytes: s.shardBytes,
  maxLines: s.maxBatchLines,
  maxFileBytes: s.maxFileBytes,
  maxInputs: s.maxInputs,
  maxLineBytes: s.maxLineBytes,
  graceMs: s.grace,
  suffixes: { output: s.suffixOutput, error: s.suffixError },
  outputFileMs: s.fileExpiry,
  workers: Math.max(1, s.workers),
})

export { addKey, addProject, showBuckets, showKeys, showProjects, withdrawKey } from './auth/operate.ts'
export { simulateDefaults, simulateHelp, type SimulateOptions } from './dispatch/simulate/options.ts'
export { startSimulator } from './dispatch/simulate/simulator.ts'
