import type { Db, Queries } from './db.ts'
import { sql as first } from './sql/0001.ts'
import { sql as second } from './sql/0002.ts'
import { sql as third } from './sql/0003.ts'
import { sql as fourth } from './sql/0004.ts'
import { sql as fifth } from './sql/0005.ts'
import { sql as sixth } from './sql/0006.ts'
import { sql as seventh } from './sql/0007.ts'
import { sql as eighth } from './sql/0008.ts'
import { sql as ninth } from './sql/0009.ts'
import { sql as tenth } from './sql/0010.ts'
import { sql as eleventh } from './sql/0011.ts'
import { sql as twelfth } from './sql/0012.ts'
import { sql as thirteenth } from './sql/0013.ts'
import { sql as fourteenth } from './sql/0014.ts'
import { sql as fifteenth } from './sql/0015.ts'
import { sql as sixteenth } from './sql/0016.ts'
import { holdName } from './tokens.ts'

/** In order; the place in the list is the number. Forward only: what has been released is never changed. */
const migrations: readonly string[] = [
  first,
  second,
  third,
  fourth,
  fifth,
  sixth,
  seventh,
  eighth,
  ninth,
  tenth,
  eleventh,
  twelfth,
  thirteenth,
  fourteenth,
  fifteenth,
  sixteenth,
]

export class SchemaTooNew extends Error {
  override name = 'SchemaTooNew'
}

/** Brings the schema up to date in one transaction; done twice, or by several processes at once, it is done once. @throws {SchemaTooNew} */
export function migrate(db: Db, at: number): Promise<void> {
  const work = async (tx: Queries): Promise<void> => {
    await tx.query(holdName, ['nightshift migrations'])
    await tx.query(`create table if not exists migrations (number bigint primary key, applied_at bigint not null)`)
    const [row] = await tx.query(`select coalesce(max(number), 0) as number from migrations`)
    const have = Number(row?.number ?? 0)
    if (have > migrations.length)
      throw new SchemaTooNew(
        `The database has schema ${have}; this version of Nightshift knows ${migrations.length}. Install the version that wrote it, or a newer one.`,
      )
    for (const [i, sql] of migrations.entries()) {
      if (i < have) continue
      for (const statement of statementsOf(sql)) await tx.query(statement)
      await tx.query(`insert into migrations (number, applied_at) values ($1, $2)`, [i + 1, at])
    }
  }
  return db.tx(work, 'schema')
}

/** Our own files only: no semicolon stands within a statement or a comment. */
const statementsOf = (sql: string): string[] =>
  sql
    .replaceAll(/^\s*--.*$/gm, '')
    .split(';')
    .map((s) => s.trim())
    .filter((s) => s !== '')
