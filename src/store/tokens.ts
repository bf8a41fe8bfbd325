/** What the adapter of a database puts in the place of a statement's two tokens. */
export interface Dialect {
  /** SQL for the database's clock, or null where a parameter takes the time: then `now` is the last value. */
  readonly nowSql: string | null
  readonly skipLocked: string
  /** What stands before a parameter's number. NOTE: SQLite takes `$2` for a name and numbers names as they first appear; `?2` is the second value. */
  readonly parameter: '$' | '?'
}

/** A statement as the driver wants it. `needsNow`: one more value, the time, goes behind the caller's. */
export interface Statement {
  readonly sql: string
  readonly needsNow: boolean
}

export function translate(sql: string, values: number, { nowSql, skipLocked, parameter }: Dialect): Statement {
  const needsNow = nowSql === null && sql.includes('{now}')
  const now = nowSql ?? `$${values + 1}`
  const numbered = parameter === '$' ? (text: string) => text : (text: string) => text.replaceAll(/\$(\d+)/g, `${parameter}$1`)
  return { sql: numbered(sql.replaceAll('{now}', now).replaceAll('{for update skip locked}', skipLocked)), needsNow }
}
