/** Makes the parts of a worker from the settings and joins them; `app.ts` adds the API. */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { describePlace, openBlobs, openBucket as openAnew, placesIn, rememberBuckets } from './blobs/open.ts'
import { blobsRoot } from './config/blobs.ts'
import { priceList, type Settings } from './config.ts'
import { makeDispatcher } from './dispatch/dispatcher.ts'
import type { DispatchSettings, Dispatcher } from './dispatch/feed.ts'
import { postGuarded } from './dispatch/fetch/post.ts'
import type { FetchRules } from './domain/fetch-rules.ts'
import { parseHostPattern } from './domain/host-pattern.ts'
import { makeUuids } from './domain/ids.ts'
import { makeEvents, type Events } from './events.ts'
import { systemClock, type Clock } from './kit/clock.ts'
import type { Log } from './kit/log.ts'
import { makeMetrics, type Metrics } from './kit/metrics.ts'
import { pinoLog, type LogLevel } from './kit/pino-log.ts'
import { openSigningKeys } from './kit/signing-key.ts'
import type { Channel, Db } from './store/db.ts'
import { FolderUnusable, holdFolder, type FolderHold } from './store/lock.ts'
import { forgetBackends, replaceModels } from './store/models.ts'
import { relayed } from './store/hints.ts'
import { openDatabase } from './store/open.ts'
import { checkStoreMark } from './worker/store-mark.ts'
import { takeOver } from './store/walks.ts'
export { makeDryRun } from './worker/plan/dry-run.ts'
import { makeOpenAddress, type LineContentParts } from './worker/run/line-content.ts'
import type { WorkerParts } from './worker/parts.ts'
import { planFile, randomHash, readerOf } from './worker/plan/plan.ts'
import { makePlanner } from './worker/plan/planner.ts'
import { runWorker } from './worker/worker.ts'

/** What may be given in the place of the real thing. */
export interface Outside {
  readonly clock: Clock
  readonly log: Log
}

/** What a worker is under a server on the same machine, which holds the data folder for it. */
export interface Membership {
  readonly owner: string
  /** Tells the others of a hint. */
  readonly tell: (channel: Channel) => void
}

export interface Engine extends AsyncDisposable {
  readonly db: Db
  /** Another process on this machine has hinted at something. */
  heard(channel: Channel): void
  readonly parts: WorkerParts
  readonly dispatcher: Dispatcher
  readonly events: Events
  readonly metrics: Metrics
  /** null: the folder is not ours alone. */
  readonly hold: FolderHold | null
  readonly newUuid: () => string
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new FolderUnusable(`The folder ${folder} cannot be made: ${why}. Check its rights, or name another.`, { cause: error })
  }
}

const uuids = (clock: Clock) => makeUuids(() => clock.now(), randomBytes)

/**
 * Opens the database and everything that works on it, without serving. With the embedded database the data folder is this process's until disposed, and what a
 * dead one held is taken over; a database that has room for many is nobody's alone.
 */
export async function openEngine(
  settings: Settings,
  { clock = systemClock, log = pinoLog(settings.logLevel as LogLevel) }: Partial<Outside> = {},
  member?: Membership,
): Promise<Engine> {
  const folder = resolve(settings.data)
  const { files: filesPlace, scratch: scratchPlace } = placesIn(blobsRoot(settings))
  const [files, scratch] = [openBlobs(filesPlace), openBlobs(scratchPlace)]
  const openBucket = rememberBuckets(openAnew)
  const alone = settings.database === '' && !member
  const hold = alone ? await holdFolder(folder) : null
  let opened: Db
  try {
    if (!alone) await makeFolder(folder)
    opened = await openDatabase({ folder, url: settings.database, clock })
  } catch (error) {
    await hold?.[Symbol.asyncDispose]()
    throw error
  }
  const newUuid = uuids(clock)
  try {
    for (const place of [filesPlace, scratchPlace]) if (place.kind === 'folder') await makeFolder(place.folder)
    if (!member) await checkStoreMark({ db: opened, files, clock, newUuid }, describePlace(filesPlace))
  } catch (error) {
    await opened[Symbol.asyncDispose]()
    await hold?.[Symbol.asyncDispose]()
    throw error
  }
  if (alone) await takeOver(opened)
  const db = member ? relayed(opened, member.tell) : opened
  const metrics = makeMetrics()
  const events = makeEvents({ log, metrics })
  if (alone && settings.blobs === '') for (const blobs of [files, scratch]) await blobs.sweepTemporary(clock.now()) // NOTE: a place that others write to is the janitor's, who waits
  const dispatcher = makeDispatcher({
    settings: dispatchSettings(settings),
    clock,
    random: Math.random,
    events,
    imageBytes: inlinesImages(settings) ? settings.fetchBytes : null,
    openAddress: makeOpenAddress({ db, files, openBucket, clock, ...fetchSettings(settings) }),
  })
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
  const planHash = randomHash(randomBytes)
  const planner = makePlanner({
    planHere: (spec, signal) =>
      planFile(
        { read: readerOf(spec.input, { openBlobs: () => files, openBucket }), target: scratch, hash: planHash },
        spec,
        signal,
      ),
  })
  const rules = fetchRules(settings)
  const webhookLimits = { connectMs: settings.connectTimeout, totalMs: settings.webhookTimeout }
  const parts: WorkerParts = {
    db,
    files,
    scratch,
    filesPlace,
    scratchPlace,
    openBucket,
    dispatcher,
    planner,
    clock,
    log,
    events,
    random: Math.random,
    randomBytes,
    owner: member?.owner ?? newUuid(),
    settings: workerSettings(settings, !alone),
    prices: priceList(settings),
    webhooks: {
      post: (address, sent, signal) => postGuarded(address, sent, { rules, limits: webhookLimits, signal, clock }),
      tryMs: webhookLimits.connectMs + webhookLimits.totalMs,
      signingKeys: openSigningKeys({ folder, given: settings.signingKeys }),
    },
  }
  return {
    db,
    heard: opened.hint,
    parts,
    dispatcher,
    events,
    metrics,
    hold,
    newUuid,
    async [Symbol.asyncDispose]() {
      await planner[Symbol.asyncDispose]()
      await db[Symbol.asyncDispose]()
      await hold?.[Symbol.asyncDispose]()
    },
  }
}

/** Runs the worker and its dispatcher; the dispatcher outlives the worker, which lets open calls end. */
export async function runEngine({ parts, dispatcher }: Pick<Engine, 'parts' | 'dispatcher'>, signal: AbortSignal): Promise<void> {
  const sending = new AbortController()
  const dispatching = dispatcher.run(sending.signal)
  try {
    await runWorker(parts, signal)
  } finally {
    sending.abort()
    await dispatching
  }
}

export const dispatchSettings = (s: Settings): DispatchSettings => ({
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

/** Where what a caller names may lead. */
export function fetchRules(s: Settings): FetchRules {
  const hosts = (texts: readonly string[]) => texts.map(parseHostPattern).filter((pattern) => pattern !== null)
  return { allowHosts: hosts(s.fetchAllow), denyHosts: hosts(s.fetchDeny), allowPorts: s.fetchPorts.map(Number) }
}

export const inlinesImages = ({ fetchImages }: Settings): boolean => fetchImages === 'inline'

const fetchSettings = (s: Settings): Pick<LineContentParts, 'rules' | 'limits'> => ({
  rules: fetchRules(s),
  limits: { maxBytes: s.fetchBytes, totalMs: s.fetchTimeout, stallMs: s.fetchStall, connectMs: s.connectTimeout },
})

const workerSettings = (s: Settings, fleet: boolean): WorkerParts['settings'] => ({
  leaseMs: s.lease,
  renewMs: s.leaseRenew,
  lookMs: s.look,
  flushMs: s.flushEvery,
  flushBytes: s.flushBytes,
  heldBytes: s.heldBytes,
  shardLines: s.shardLines,
  shardBytes: s.shardBytes,
  shortBytes: s.shortBytes,
  maxLines: s.maxBatchLines,
  maxFileBytes: s.maxFileBytes,
  maxInputs: s.maxInputs,
  maxLineBytes: s.maxLineBytes,
  graceMs: s.grace,
  suffixes: { output: s.suffixOutput, error: s.suffixError },
  outputFileMs: s.fileExpiry,
  keepBatchesMs: s.keepBatches,
  keepAuditMs: s.auditKeep,
  fleet,
})
