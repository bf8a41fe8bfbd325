import pg from 'pg'
import { backoffMs } from '../domain/backoff.ts'
import type { Clock } from '../kit/clock.ts'
import { DbUnavailable, type Db, type Queries, type Row, type Value } from './db.ts'
import { isConflict, isInUse, isOfConnection, translateError } from './postgres-errors.ts'
import { joinFleet } from './postgres-hints.ts'
import { translate, type Dialect } from './tokens.ts'

/**
 * NOTE: `clock_timestamp()` in a subquery of its own: each `{now}` is asked once a statement, not once a row, and its result can be looked up in an index; two in
 * one statement may be a millisecond apart. Texts are compared byte by byte, as SQLite does: ids sort by time, whatever the database's language.
 */
const dialect: Dialect = {
  nowSql: '(select (extract(epoch from clock_timestamp()) * 1000)::bigint)',
  skipLocked: 'for update skip locked',
  lock: (name) => `pg_advisory_xact_lock(hashtextextended(${name}, 0))`,
  share: (name) => `pg_advisory_xact_lock_shared(hashtextextended(${name}, 0))`,
  declare: (ddl) => ddl.replaceAll(/ text\b/g, ' text collate "C"'),
  parameter: '$',
}

/** Ours alone, in the transaction that it begins: nothing is left on a connection that a pooler lends to others. A process that is stopped in its midst holds nobody up for longer. */
const begin = `begin; set local statement_timeout = '30s'; set local idle_in_transaction_session_timeout = '10s'`
const timeouts = { connectionTimeoutMillis: 5_000, query_timeout: 35_000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 }
/** A change of the schema gives way to who uses the table, a backup for one, and does not have everybody else wait behind it. */
const beginSchema = `begin; set local lock_timeout = '500ms'; set local statement_timeout = 0; set local idle_in_transaction_session_timeout = '10s'`
const noLimitMs = 2 ** 31 - 1
const schemaTriesMs = 600_000
const schemaPauseMs = 2_000
const conflictPause = { baseMs: 20, maxMs: 500 }
const conflictTries = 5
const rememberedAtMost = 500

export interface PostgresParts {
  readonly clock: Clock
  readonly random?: () => number
  /** Connections at once, one more for the hints. */
  readonly connections?: number
}

/** `Db` on PostgreSQL 15 or newer: a bounded pool, no named statements and nothing kept on a session, so that poolers work; hints by listen/notify. */
export function openPostgres(url: string, { clock, random = Math.random, connections = 10 }: PostgresParts): Db {
  const config = { connectionString: url, application_name: 'nightshift', ...timeouts }
  const pool = new pg.Pool({ ...config, max: connections, idleTimeoutMillis: 30_000, allowExitOnIdle: true })
  pool.on('error', () => {}) // NOTE: of an idle connection; the pool has dropped it already
  const hints = joinFleet(
    () => new pg.Client(config),
    (sql, values) => query(sql, values),
    clock,
  )
  const { host, port } = new pg.Client(config) // NOTE: as the driver understands the address, its defaults and variables included
  const place = host.startsWith('/') ? host : `${host}:${port}`
  const known = new Map<string, string>()
  /** What the driver threw. All else that ends a transaction is the caller's own, and none of our business. */
  const thrown = new WeakSet<object>()
  let closed = false

  function sqlOf(sql: string, values: number): string {
    const found = known.get(sql)
    if (found !== undefined) return found
    if (known.size >= rememberedAtMost) known.clear()
    const made = translate(sql, values, dialect).sql
    known.set(sql, made)
    return made
  }

  async function driven<R>(does: () => Promise<R>, failed: (error: unknown) => void = () => {}): Promise<R> {
    try {
      return await does()
    } catch (error) {
      if (error instanceof Error) thrown.add(error)
      failed(error)
      throw error
    }
  }

  const run = async (on: pg.Pool | pg.PoolClient, sql: string, values: readonly Value[], limit = {}): Promise<Row[]> =>
    (await on.query<Row>({ text: sqlOf(sql, values.length), values: [...values], ...limit })).rows

  /** What the database refused for somebody else's sake (deadlock, serialization; of a schema, a table in use) is done again from its beginning. */
  async function again<T>(work: () => Promise<T>, changes: 'rows' | 'schema' = 'rows'): Promise<T> {
    if (closed) throw new DbUnavailable('the database is closed')
    const waitsUntil = changes === 'schema' ? clock.monotonic() + schemaTriesMs : -Infinity
    for (let failures = 0; ; failures++) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof Error && thrown.has(error))) throw error
        const waits = isInUse(error) && clock.monotonic() < waitsUntil
        if (!waits && (!isConflict(error) || failures >= conflictTries)) throw translateError(error, place)
        await clock.sleep(waits ? schemaPauseMs : backoffMs(failures, conflictPause, random))
      }
    }
  }

  async function transact<T>(work: (tx: Queries) => Promise<T>, changes: 'rows' | 'schema'): Promise<T> {
    const isSchema = changes === 'schema'
    const client = await driven(() => pool.connect())
    let broken: Error | undefined
    let open = true
    const noted = <R>(does: () => Promise<R>): Promise<R> =>
      driven(does, (error) => {
        if (isOfConnection(error)) broken = error
      })
    const lost = (error: Error) => (broken = error)
    client.on('error', lost)
    try {
      await noted(() => client.query(isSchema ? beginSchema : begin))
      const result = await work({
        async query(sql, values = []) {
          if (!open) throw new Error('the transaction has ended')
          return noted(() => run(client, sql, values, isSchema ? { query_timeout: noLimitMs } : {}))
        },
      })
      open = false
      const { command } = await noted(() => client.query('commit'))
      if (command !== 'COMMIT') throw new Error('the transaction had failed before its end')
      return result
    } catch (error) {
      open = false
      if (!broken) await noted(() => client.query('rollback')).catch(() => {})
      throw error
    } finally {
      client.off('error', lost)
      client.release(broken)
    }
  }

  function query(sql: string, values: readonly Value[] = []): Promise<Row[]> {
    return again(() => driven(() => run(pool, sql, values)))
  }

  return {
    query,
    tx: (work, changes = 'rows') => again(() => transact(work, changes), changes),
    hint: hints.hint,
    listen: hints.listen,
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      await hints[Symbol.asyncDispose]()
      await pool.end()
    },
  }
}
