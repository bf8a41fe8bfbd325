import { randomBytes, randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { startServe, type App } from '../../src/app.ts'
import { makeProject } from '../../src/auth/first-start.ts'
import { createKey } from '../../src/auth/keys.ts'
import { addKey, type KeyOrder } from '../../src/auth/operate.ts'
import { loadSettings } from '../../src/config.ts'
import type { OptionName } from '../../src/config/options.ts'
import { systemClock, type Clock } from '../../src/kit/clock.ts'
import { Stopped } from '../../src/domain/stop.ts'
import { movableDatabase } from '../support/databases.ts'
import { namesUnder } from '../support/names-under.ts'
import { controlOf, startScriptedBackend } from './scripted-backend.ts'
import type { Subject } from './subject.ts'

/** The real program, started in this process, on a data folder of its own, with a clock that can be moved. */
export interface LocalSubject extends Subject {
  readonly projectId: string
  readonly bucket: { readonly name: string; readonly folder: string }
  readonly data: string
  /** A key as an operator makes it. */
  newKey(order: Partial<KeyOrder>): Promise<{ readonly id: string; readonly key: string }>
  /** Moves the wall clock on, and the database's. */
  advance(ms: number): Promise<void>
  /** Stops the server, and starts it on the same data and at the same address. */
  restart(options: { whileOff: () => void | Promise<void> }): Promise<void>
}

/** The whole suite over PostgreSQL: `CONFORMANCE_ON=postgres`. */
export const onPostgres = process.env.CONFORMANCE_ON === 'postgres'

/** Settings beside those that every local subject has, as a user would write them behind their flags. */
export type Special = Readonly<Partial<Record<OptionName, string>>>

/** A line that fails always is tried five times: with these pauses that is over in a moment. `NIGHTSHIFT_LOG_LEVEL=info` shows what the server says. */
const usual: Special = { backoffBase: '20ms', backoffMax: '200ms', logLevel: process.env.NIGHTSHIFT_LOG_LEVEL ?? 'silent' }

/** `config`: a settings file, as a user would name it. `behind`: an inference server in the place of the scripted one; null: those of the settings file. */
export async function openLocal(special: Special = {}, config?: string, behind?: string | null): Promise<LocalSubject> {
  const data = await mkdtemp(join(tmpdir(), 'nightshift-subject-'))
  const backend = await startScriptedBackend()
  const shared = onPostgres ? await movableDatabase(process.env.NIGHTSHIFT_TEST_POSTGRES ?? '') : null
  const database = shared?.url ?? ''
  let ahead = 0
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead }
  const start = (port: string) =>
    run(
      loadSettings(
        {
          backend: behind === null ? [] : [behind ?? backend.url],
          flags: { ...usual, ...special, data, database, port, host: '127.0.0.1' },
          ...(config !== undefined && { config }),
        },
        onPostgres ? { NIGHTSHIFT_SIGNING_KEY: 'a key that many processes would know' } : {},
      ),
      clock,
    )
  let server = await start('0')
  const { port } = new URL(server.app.url)
  const { key, project: projectId } = JSON.parse(await readFile(join(data, 'credentials.json'), 'utf8')) as {
    key: string
    project: string
  }
  return {
    baseUrl: server.app.url,
    key,
    projectId,
    other: { baseUrl: server.app.url, ...(await secondProject(server.app, clock, data)) },
    backend: controlOf(backend.url),
    bucket: { name: 'default', folder: join(data, 'buckets/default') },
    data,
    async newKey(order) {
      const parts = { db: server.app.db, clock, newUuid: () => randomUUID(), randomBytes, folder: data }
      const made = await addKey(parts, null, {
        name: 'k',
        access: [{ project: projectId }],
        isOperator: false,
        expiresAt: null,
        ...order,
      })
      return { id: made.key.id, key: made.secret }
    },
    async advance(ms) {
      ahead += ms
      await shared?.setAhead(ahead)
    },
    async restart({ whileOff }) {
      await server.end()
      await whileOff()
      server = await start(port)
    },
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]() // NOTE: first, so that calls that hang do not hold up the end
      await server.end()
      await rm(data, { recursive: true, force: true })
      await shared?.drop()
    },
  }
}

async function run(settings: ReturnType<typeof loadSettings>, clock: Clock): Promise<{ app: App; end(): Promise<void> }> {
  const app = await startServe(settings, { clock })
  const stopping = new AbortController()
  const running = app.run(stopping.signal)
  return {
    app,
    async end() {
      stopping.abort(new Stopped({ kind: 'shutdown' }))
      await running
      await app[Symbol.asyncDispose]()
    },
  }
}

/** Another project with a key, as the operator's commands make them. */
async function secondProject({ db }: App, clock: Clock, data: string): Promise<{ key: string; projectId: string }> {
  const newUuid = () => randomUUID()
  const { id: projectId } = await makeProject({ db, clock, newUuid }, data, 'other')
  const made = { id: newUuid(), projectId, name: 'second', createdAt: clock.now(), randomBytes: (n: number) => randomBytes(n) }
  return { key: (await createKey(db, made)).secret, projectId }
}

/** The size of everything in a folder. */
export async function bytesUnder(folder: string): Promise<number> {
  let bytes = 0
  for (const name of await namesUnder(folder)) {
    bytes += await stat(join(folder, name)).then(
      (of) => (of.isFile() ? of.size : 0),
      () => 0, // NOTE: it went away meanwhile
    )
  }
  return bytes
}

/** Holds the database's write lock, as another program would that has it open, until disposed. */
export function lockDatabase(data: string): Disposable {
  const file = readdirSync(data).find((name) => name.endsWith('.db'))
  if (file === undefined) throw new Error(`no database in ${data}`)
  const db = new Database(join(data, file))
  db.exec('begin immediate')
  return {
    [Symbol.dispose]() {
      db.exec('rollback')
      db.close()
    },
  }
}
