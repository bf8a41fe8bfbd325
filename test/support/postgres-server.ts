/** A PostgreSQL of one's own: found where Debian and others put it, made in a temporary folder, started, and gone when stopped. */
import { randomBytes } from 'node:crypto'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:fs'
import { access, chown, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from './free-port.ts'

export const howToAdd =
  'install PostgreSQL 15 or newer (Debian: apt-get install postgresql), or name its programs with NIGHTSHIFT_PG_BIN'

export interface PostgresServer {
  readonly port: number
  readonly url: string
  /** Of the postmaster; its children die with it. */
  kill(signal: NodeJS.Signals): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

/** The folder with `initdb` and `postgres`, newest first; null: there is none on this machine. */
export async function findPrograms(): Promise<string | null> {
  const debian = '/usr/lib/postgresql'
  const versions = (await readdir(debian).catch(() => [])).toSorted((a, b) => Number(b) - Number(a))
  const places = [
    process.env.NIGHTSHIFT_PG_BIN ?? '',
    ...versions.map((v) => join(debian, v, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  for (const place of places) if (place !== '' && (await isProgram(join(place, 'initdb')))) return place
  return null
}

export const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )

/** It refuses to run as root: then it runs as the user `postgres`. */
export async function someUser(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {}
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8')) ?? []
  if (uid === undefined || gid === undefined) throw new Error('as root PostgreSQL needs a user "postgres" to run as')
  return { uid: Number(uid), gid: Number(gid) }
}

/** `settings`: as after `-c`. Where nothing is promised about a loss of power, `fsync=off` spares time. */
export async function startPostgres(programs: string, settings: readonly string[] = ['fsync=off']): Promise<PostgresServer> {
  const user = await someUser()
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-pg-'))
  if (user.uid !== undefined) await chown(folder, user.uid, user.gid ?? user.uid)
  const data = join(folder, 'data')
  await promisify(execFile)(
    join(programs, 'initdb'),
    ['-D', data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...user, cwd: folder },
  )
  const port = await freePort()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const all = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, ...settings]
  let child: ChildProcess | undefined
  const gone = (one: ChildProcess) =>
    new Promise<void>((resolve) => {
      if (one.exitCode !== null || one.signalCode !== null) resolve()
      else one.once('exit', () => resolve())
    })
  const kill = async (signal: NodeJS.Signals) => {
    if (!child) return
    child.kill(signal)
    await gone(child)
    child = undefined
  }
  const start = async () => {
    for (let tries = 0; ; tries++) {
      child = spawn(join(programs, 'postgres'), ['-D', data, ...all.flatMap((s) => ['-c', s])], {
        ...user,
        cwd: folder,
        stdio: 'ignore',
      })
      if (await answers(url, child)) return
      if (tries >= 20) throw new Error('PostgreSQL does not start')
      await new Promise((resolve) => setTimeout(resolve, 200)) // NOTE: after kill -9 its children need a moment to go
    }
  }
  await start()
  return {
    port,
    url,
    kill,
    start,
    async stop() {
      await kill('SIGINT')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Does it let somebody in, within half a minute and while its process lives? */
export async function answers(url: string, child: ChildProcess): Promise<boolean> {
  for (const until = Date.now() + 30_000; Date.now() < until && child.exitCode === null;) {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000 })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return true
    } catch {
      await client.end().catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
  }
  return false
}

/** An empty database of its own on a running server. */
export async function newDatabase(url: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `night_${randomBytes(8).toString('hex')}`
  const ask = async (sql: string) => {
    const client = new pg.Client(url)
    await client.connect()
    try {
      await client.query(sql)
    } finally {
      await client.end()
    }
  }
  await ask(`create database ${name}`)
  const own = new URL(url)
  own.pathname = `/${name}`
  return { url: own.href, drop: () => ask(`drop database ${name} with (force)`) }
}
