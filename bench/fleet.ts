/** An API and workers as processes of their own on one PostgreSQL, and what each of them costs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { findPrograms, howToAdd, startPostgres } from '../test/support/postgres-server.ts'
import { startServer, startWorker, type Process, type Server } from './child.ts'
import { familyCpuMicrosOf } from './cpu.ts'

export interface Fleet extends AsyncDisposable {
  readonly server: Server
  readonly workers: readonly Process[]
  readonly db: pg.Client
  readonly url: string
  /** Until no batch is open. */
  settled(): Promise<void>
  /** What has been spent so far. */
  spent(): Promise<Spent>
}

export interface Spent {
  readonly workerMicros: number
  readonly databaseMicros: number
  readonly walBytes: number
  readonly statements: number
  readonly commits: number
}

/** `blobs`: in a folder, or where the settings say. Everything is durable: the database syncs as it does by default. */
export async function openFleet(
  count: number,
  flags: readonly string[],
  blobs: 'folder' | 'settings' = 'folder',
): Promise<Fleet> {
  const programs = await findPrograms()
  if (programs === null) throw new Error(`PostgreSQL is not here: ${howToAdd}`)
  const postgres = await startPostgres(programs, [
    'shared_preload_libraries=pg_stat_statements',
    'max_wal_size=4GB',
    'checkpoint_timeout=30min',
  ])
  const data = mkdtempSync(join(tmpdir(), 'nightshift-bench-'))
  const all = ['--database', postgres.url, ...(blobs === 'folder' ? ['--blobs', join(data, 'blobs')] : []), ...flags]
  const server = await startServer([...all, '--workers', '0'], data)
  const workers: Process[] = []
  for (let i = 0; i < count; i++) workers.push(await startWorker(['--data', data, ...all]))
  const db = new pg.Client(postgres.url)
  await db.connect()
  await db.query('create extension pg_stat_statements')
  const { rows } = await db.query<{ pid: number }>('select pg_backend_pid() as pid')
  const status = await readFile(`/proc/${rows[0]?.pid}/status`, 'utf8')
  const postmaster = Number(/PPid:\s+(\d+)/.exec(status)?.[1])
  const one = async (sql: string) => Number((await db.query<{ n: string }>(sql)).rows[0]?.n)
  return {
    server,
    workers,
    db,
    url: postgres.url,
    async settled() {
      while ((await one(`select count(*) as n from batches where status in ('validating', 'in_progress')`)) > 0) await pause(200) // NOTE: it looks at all that are open, which is more than a batch costs
    },
    async spent() {
      return {
        workerMicros: workers.reduce((n, worker) => n + worker.cpuMicros(), 0),
        databaseMicros: familyCpuMicrosOf(postmaster),
        walBytes: await one(`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as n`),
        statements: await one('select sum(calls) as n from pg_stat_statements'),
        commits: await one('select sum(xact_commit) as n from pg_stat_database'),
      }
    },
    async [Symbol.asyncDispose]() {
      for (const worker of workers) await worker[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
      await db.end()
      await postgres.stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

/** What was spent in between. */
export const less = (after: Spent, before: Spent): Spent => ({
  workerMicros: after.workerMicros - before.workerMicros,
  databaseMicros: after.databaseMicros - before.databaseMicros,
  walBytes: after.walBytes - before.walBytes,
  statements: after.statements - before.statements,
  commits: after.commits - before.commits,
})
