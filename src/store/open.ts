import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../kit/clock.ts'
import type { Db } from './db.ts'
import { migrate } from './migrate.ts'

export interface DatabasePlace {
  /** The data folder, where SQLite's file lies. */
  readonly folder: string
  /** `postgres://user:password@host/database`; '': SQLite. */
  readonly url?: string
  readonly clock: Clock
}

/** The database, up to date. What the other one needs is not loaded. @throws {SchemaTooNew | DbUnavailable} */
export async function openDatabase({ folder, url = '', clock }: DatabasePlace): Promise<Db> {
  const db = url === '' ? await openFile(folder, clock) : (await import('./postgres.ts')).openPostgres(url, { clock })
  try {
    await migrate(db, clock.now())
    return db
  } catch (error) {
    await db[Symbol.asyncDispose]()
    throw error
  }
}

async function openFile(folder: string, clock: Clock): Promise<Db> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const { openSqlite } = await import('./sqlite.ts')
  return openSqlite(join(folder, 'nightshift.db'), clock)
}
