import type { BatchId, ProjectId } from '../../src/domain/ids.ts'
import { putGrant } from '../../src/store/buckets.ts'
import type { Queries, Value } from '../../src/store/db.ts'
import { insertProject, updateProject } from '../../src/store/projects.ts'
import { putQuota } from '../../src/store/quotas.ts'
import { insertWebhook } from '../../src/store/webhooks.ts'
import { listening } from './check-told.ts'
import { endWorld } from './aftermath.ts'
import type { Bug } from './bugs.ts'
import { chanceFrom } from '../support/chance.ts'
import { startFleet } from './chaos.ts'
import { checkResults } from './check-results.ts'
import { makeRowChecks, type RowChecks } from './check-rows.ts'
import { bucketFolder, bucketName, startClient } from './client.ts'
import { drawIntents, type Intent } from './intent.ts'
import { openLedger, type Ledger } from './ledger.ts'
import { allRenew, calm, drawProfile, isSteady } from './profile.ts'
import { drawSettings } from './settings.ts'
import { makeBackend } from './sim-backend.ts'
import type { BlobStore } from './sim-blobs.ts'
import { makeObjectStore } from './sim-bucket.ts'
import { openDatabase, type Database } from './sim-db.ts'
import { makeTime } from './sim-time.ts'
import { rowsIn } from './statement.ts'
import { makeStory, type Story } from './story.ts'
import type { World } from './world-parts.ts'

/** What came of a world. */
export interface Outcome {
  readonly seed: number
  /** What did not hold, first things first. Empty: everything did. */
  readonly wrongs: readonly string[]
  readonly story: Story
  /** How long it lived, in its own milliseconds. */
  readonly ms: number
}

/** Trouble ends so long after the beginning. */
const healedAtMs = 15_000
/** From then on something must go on within so long, and everything must have ended within so long. */
const quietAtMostMs = 40_000
const endedWithinMs = 300_000

/** One world from one seed: several workers, an API, clients, backends, a database, blobs; and what befalls them. */
export async function live(seed: number, bug: Bug | null = null): Promise<Outcome> {
  const time = makeTime()
  const chance = chanceFrom(seed)
  const story = makeStory(() => time.now)
  const ledger = openLedger((wrong) => story.tell('WRONG', wrong))
  const drawn = drawProfile(chance.fork('profile'))
  const intents = drawIntents(chance.fork('intents'), drawn)
  let healed = false
  const profile = () => (healed ? calm : drawn)

  const checks: { rows?: RowChecks } = {}
  const database = await openDatabase({
    time,
    chance: chance.fork('hints'),
    hintsLost: () => profile().hintsLost,
    inspect: async (tx, done) => {
      for (const one of done)
        if (one.sql.startsWith('insert into batches'))
          for (const values of rowsIn(one, 11)) await born(tx, values, intents, ledger)
      await checks.rows?.inspect(tx, done)
    },
  })
  const files = makeStore('files', database, ledger, checks)
  const scratch = makeStore('scratch', database, ledger, checks)
  checks.rows = makeRowChecks({ ledger, now: () => time.now, files, scratch })

  const { workers, dispatch, count, backends: urls } = drawSettings(chance.fork('settings'))
  const backendParts = { time, story, ledger, profile }
  const world: World = {
    seed,
    time,
    chance,
    story,
    ledger,
    database,
    files,
    scratch,
    objects: makeObjectStore(),
    heard: new Map(),
    backends: urls.map(({ url, models }) => makeBackend(url, models, { ...backendParts, chance: chance.fork(url) })),
    workers,
    dispatch,
    bug,
    profile,
    allRenew: allRenew(drawn),
    steady: isSteady(drawn),
  }
  for (const id of ['p1', 'p2', 'p3'] as ProjectId[]) {
    await insertProject(database.eyes, { id, name: id, isDefault: false, createdAt: 0 })
    await updateProject(database.eyes, id, { weight: chance.fork(`weight of ${id}`).pick([1, 2, 5]) })
    await putGrant(database.eyes, { projectId: id, bucket: bucketName, place: { kind: 'folder', folder: bucketFolder } }, 'own')
  }
  const webhook = { id: 'wh', projectId: listening as ProjectId, url: 'https://listener.example/', events: [], secretNumber: 1 }
  await insertWebhook(database.eyes, { ...webhook, oldUntil: 0, createdAt: 0, disabledAt: null })

  for (const kind of ['enqueued_tokens', 'open_batches'] as const)
    // NOTE: more than any world has: what is bounded is counted, and nothing refused
    await putQuota(database.eyes, { projectId: 'p2' as ProjectId, kind, model: null, amount: 1e12 })

  const fleet = startFleet(world, count, chance.fork('fleet'))
  const clients = intents.map((intent) => startClient(world, intent, fleet.api))
  const over = () => ledger.wrongs.length > 0 || clients.every((client) => client.over)
  await time.run(over, healedAtMs)
  healed = true
  fleet.heal()
  if (!over()) story.tell('world', 'HEALS')
  const healedAt = time.now
  const patienceMs = quietAtMostMs + database.jumps.reduce((ms, jump) => ms + Math.max(0, -jump.ms), 0) // NOTE: leases that were given before a clock was set back last longer
  const stuck = () => time.now > Math.max(ledger.progressAt, healedAt) + patienceMs
  await time.run(() => over() || stuck(), time.now + endedWithinMs)
  const ms = time.now
  for (const client of clients) if (ledger.wrongs.length === 0) await checkResults(world, client)
  if (ledger.wrongs.length === 0) await endWorld(world, fleet, clients)
  await checks.rows.last(database.eyes)
  return { seed, wrongs: ledger.wrongs, story, ms }
}

/** A batch came into being: whose it is, and when its window ends. The API offers hours; a client may want seconds. */
async function born(tx: Queries, values: readonly Value[], intents: readonly Intent[], ledger: Ledger): Promise<void> {
  const id = String(values[0]) as BatchId
  const client = Number((JSON.parse(String(values[6])) as { client: string }).client)
  if (ledger.batchOf.has(client)) ledger.wrong('D8', `client ${client} has two batches`)
  ledger.batchOf.set(client, id)
  const windowMs = intents[client]?.windowMs ?? null
  const expiresAt = windowMs === null ? Number(values[9]) : Number(values[8]) + windowMs
  ledger.expiresAt.set(id, expiresAt)
  await tx.query(`update batches set expires_at = $2 where id = $1`, [id, expiresAt])
}

/** I4, I14: what was written is never written otherwise, and begins with a project. */
function makeStore(name: string, { eyes }: Database, ledger: Ledger, checks: { rows?: RowChecks }): BlobStore {
  const written = new Map<string, Buffer>()
  return {
    name,
    blobs: new Map(),
    temporary: new Set(),
    placing(blob, bytes) {
      if (!/^p[123]\//.test(blob)) ledger.wrong('I14', `blob ${blob} is no project's`)
      if (written.get(blob)?.equals(bytes) === false) ledger.wrong('I4', `blob ${blob} is written again, with other bytes`)
      written.set(blob, bytes)
    },
    deleting: (blob) => checks.rows?.deleting(eyes, name, blob) ?? Promise.resolve(),
  }
}
