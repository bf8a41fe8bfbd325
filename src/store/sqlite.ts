import Database from 'libsql'
import type { Clock } from '../kit/clock.ts'
import { DbFull, DbUnavailable, type Db, type Queries, type Row, type Value } from './db.ts'
import { makeHints } from './hints.ts'
import { translate, type Dialect } from './tokens.ts'

/** NOTE: storage (`alter table ... set (...)`) is set for PostgreSQL alone. */
const dialect: Dialect = {
  nowSql: null,
  skipLocked: '',
  lock: (name) => name,
  share: (name) => name,
  declare: (ddl) => (/^alter table \w+ set \(/.test(ddl) ? 'select 1' : ddl),
  parameter: '?',
}
/** The driver is synchronous: while it waits for another process's lock, the whole event loop does. So it does not wait, and we do: a commit takes a millisecond or two. */
const busyPauseMs = 2
/** At the opening nothing else runs yet. The lock may be that of a process which is just leaving, or has died and left what must be recovered. */
const openingMs = 5_000
const giveUpMs = 10_000
const preparedAtMost = 300

interface Prepared {
  readonly needsNow: boolean
  all(values: readonly Value[]): Row[]
}

/** `Db` on SQLite in a file: WAL, every commit synced. One connection, one writer at a time in this process; others wait in line. */
export function openSqlite(path: string, clock: Clock): Db {
  const connection = connect(path)
  const hints = makeHints()
  const prepared = new Map<string, Prepared>()
  let line: Promise<unknown> = Promise.resolve()
  let closed = false

  function prepare(sql: string, values: number): Prepared {
    const found = prepared.get(sql)
    if (found) return found
    const statement = translate(sql, values, dialect)
    const native = connection.prepare(statement.sql)
    const reader = native.reader
    const made: Prepared = {
      needsNow: statement.needsNow,
      all: (bound) => (reader ? (native.all([...bound]) as Row[]) : (native.run([...bound]), [])),
    }
    const oldest = prepared.size >= preparedAtMost ? prepared.keys().next() : undefined
    if (oldest && !oldest.done) prepared.delete(oldest.value)
    prepared.set(sql, made)
    return made
  }

  function now(sql: string, values: readonly Value[]): Row[] {
    const statement = prepare(sql, values.length)
    return statement.all(statement.needsNow ? [...values, Math.floor(clock.now())] : values)
  }

  /** Runs something that another process's lock may refuse, until it goes through. */
  async function patient<T>(run: () => T): Promise<T> {
    for (const begun = clock.monotonic(); ;) {
      try {
        return run()
      } catch (error) {
        if (!isBusy(error) || clock.monotonic() - begun >= giveUpMs) throw translateError(error)
        await clock.sleep(busyPauseMs)
      }
    }
  }

  /** One after the other: what the event loop interleaves must not fall into somebody else's transaction. */
  function inLine<T>(work: () => Promise<T>): Promise<T> {
    if (closed) return Promise.reject(new DbUnavailable('the database is closed'))
    const turn = line.then(work, work)
    line = turn.catch(() => {})
    return turn
  }

  async function transact<T>(work: (tx: Queries) => Promise<T>): Promise<T> {
    await patient(() => connection.exec('begin immediate'))
    let open = true
    const handle: Queries = {
      async query(sql, values = []) {
        if (!open) throw new Error('the transaction has ended')
        try {
          return now(sql, values)
        } catch (error) {
          throw translateError(error)
        }
      },
    }
    try {
      const result = await withinTheTurn(work(handle))
      open = false
      await patient(() => connection.exec('commit'))
      return result
    } catch (error) {
      open = false
      if (connection.inTransaction) connection.exec('rollback')
      throw error
    }
  }

  return {
    ...hints,
    query: (sql, values = []) => inLine(() => patient(() => now(sql, values))),
    tx: (work) => inLine(() => transact(work)),
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      await line
      connection.close()
    },
  }
}

/**
 * SQLite answers at once: work that awaits nothing but its handle has ended before the event loop turns, and what has not would hold up everybody or wait for
 * itself. NOTE: an `AsyncLocalStorage` would notice too, but makes every promise and callback of the process dearer on Node 20.
 */
async function withinTheTurn<T>(work: Promise<T>): Promise<T> {
  let turn: NodeJS.Immediate | undefined
  const turned = new Promise<never>((_, reject) => {
    turn = setImmediate(() => reject(new Error('inside a transaction, await nothing but the handle that it gives')))
  })
  try {
    return await Promise.race([work, turned])
  } finally {
    clearImmediate(turn)
  }
}

export function connect(path: string): Database.Database {
  try {
    const connection = new Database(path, { timeout: openingMs })
    connection.pragma('journal_mode = WAL')
    connection.pragma('synchronous = FULL')
    connection.pragma('foreign_keys = ON')
    connection.pragma('busy_timeout = 0')
    return connection
  } catch (error) {
    if (isBusy(error)) throw translateError(error)
    const why = codeOf(error) || (error instanceof Error ? error.message : String(error))
    throw new DbUnavailable(`The database ${path} cannot be opened: ${why}. Check that it is a database, and its rights.`, {
      cause: error,
    })
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')
const isBusy = (error: unknown): boolean =>
  /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error)) || /database is locked/.test(String(error))

function translateError(error: unknown): unknown {
  const code = codeOf(error)
  if (code.startsWith('SQLITE_FULL')) return new DbFull('no room left for the database', { cause: error })
  if (isBusy(error)) return new DbUnavailable('another process has kept the database locked', { cause: error })
  if (/^SQLITE_(IOERR|CANTOPEN|READONLY|NOTADB|CORRUPT)/.test(code))
    return new DbUnavailable(`the database cannot be used: ${code}`, { cause: error })
  return error
}
