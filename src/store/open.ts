import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../kit/clock.ts'
import type { Db } from './db.ts'
import { migrate } from './migrate.ts'
import { openSqlite } from './sqlite.ts'

/** The database of a data folder, up to date. @throws {SchemaTooNew | DbUnavailable} */
export async function openDatabase({ folder, clock }: { folder: string; clock: Clock }): Promise<Db> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const db = openSqlite(join(folder, 'nightshift.db'), clock)
  try {
    await migrate(db, clock.now())
    return db
  } catch (error) {
    await db[Symbol.asyncDispose]()
    throw error
  }
}
