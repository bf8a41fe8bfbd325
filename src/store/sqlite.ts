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

/** Runs statements on a connection at once, and keeps them prepared. */
function statementsOn(connection: Database.Database, clock: Clock): (sql: string, values: readonly Value[]) => Row[] {
  const prepared = new Map<string, Prepared>()

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

  return (sql, values) => {
    const statement = prepare(sql, values.length)
    return statement.all(statement.needsNow ? [...values, Math.floor(clock.now())] : values)
  }
}

/** A reader needs no lock (WAL), and need not wait for that of another process. */
const isRead = (sql: string): boolean => /^\s*select\b/i.test(sql)

/** `Db` on SQLite in a file: WAL, every commit synced. One connection, one writer at a time in this process; others wait in line. */
export function openSqlite(path: string, clock: Clock): Db {
  const connection = connect(path)
  const now = statementsOn(connection, clock)
  const hints = makeHints()
  let line: Promise<unknown> = Promise.resolve()
  let closed = false
  /** Does the line stand at another process's lock? */
  let locked = false
  let aside: { readonly connection: Database.Database; readonly now: typeof now } | null = null

  /** Runs something that another process's lock may refuse, until it goes through. `since`: when it was asked for. */
  async function patient<T>(since: number, run: () => T): Promise<T> {
    try {
      for (;;) {
        try {
          return run()
        } catch (error) {
          if (!isBusy(error) || clock.monotonic() - since >= giveUpMs) throw translateError(error)
          locked = true
          await clock.sleep(busyPauseMs)
        }
      }
    } finally {
      locked = false
    }
  }

  /**
   * One after the other: what the event loop interleaves must not fall into somebody else's transaction. Time in the line counts: while another process keeps
   * its lock, all that wait give up when they have waited for so long, and not one after the other.
   */
  function inLine<T>(work: (since: number) => Promise<T>): Promise<T> {
    if (closed) return Promise.reject(new DbUnavailable('the database is closed'))
    const since = clock.monotonic()
    const mine = () => work(since)
    const turn = line.then(mine, mine)
    line = turn.catch(() => {})
    return turn
  }

  /** On a connection of its own, which the most never need. */
  function readAside(sql: string, values: readonly Value[]): Row[] {
    if (!aside) {
      const own = new Database(path, { timeout: 0 })
      own.pragma('query_only = ON')
      aside = { connection: own, now: statementsOn(own, clock) }
    }
    return aside.now(sql, values)
  }

  async function query(sql: string, values: readonly Value[] = []): Promise<Row[]> {
    if (locked && !closed && isRead(sql))
      try {
        return readAside(sql, values)
      } catch (error) {
        if (!isBusy(error)) throw translateError(error)
      }
    return inLine((since) => patient(since, () => now(sql, values)))
  }

  async function transact<T>(since: number, work: (tx: Queries) => Promise<T>): Promise<T> {
    await patient(since, () => connection.exec('begin immediate'))
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
      await patient(clock.monotonic(), () => connection.exec('commit'))
      return result
    } catch (error) {
      open = false
      if (connection.inTransaction) connection.exec('rollback')
      throw error
    }
  }

  return {
    ...hints,
    query,
    tx: (work) => inLine((since) => transact(since, work)),
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      await line
      connection.close()
      aside?.connection.close()
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
