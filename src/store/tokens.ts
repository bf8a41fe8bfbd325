/** What the adapter of a database puts in the place of a statement's tokens. */
export interface Dialect {
  /** SQL for the database's clock, or null where a parameter takes the time: then `now` is the last value. */
  readonly nowSql: string | null
  readonly skipLocked: string
  /** An expression that waits until this transaction alone holds the name that a parameter gives, and holds it to the transaction's end. */
  readonly lock: (parameter: string) => string
  /** The same beside others who share the name: it waits only for one that holds it alone. */
  readonly share: (parameter: string) => string
  /** How columns and storage are declared, where that is not as the schema writes it. */
  readonly declare: (ddl: string) => string
  /** What stands before a parameter's number. NOTE: SQLite takes `$2` for a name and numbers names as they first appear; `?2` is the second value. */
  readonly parameter: '$' | '?'
}

/** A statement as the driver wants it. `needsNow`: one more value, the time, goes behind the caller's. */
export interface Statement {
  readonly sql: string
  readonly needsNow: boolean
}

export function translate(
  sql: string,
  values: number,
  { nowSql, skipLocked, lock, share, declare, parameter }: Dialect,
): Statement {
  const needsNow = nowSql === null && sql.includes('{now}')
  const plain = (/^(create|alter) table/.test(sql) ? declare(sql) : sql)
    .replaceAll('{now}', nowSql ?? `$${values + 1}`)
    .replaceAll('{for update skip locked}', skipLocked)
    .replaceAll(/\{lock (\$\d+)\}/g, (_, name: string) => lock(name))
    .replaceAll(/\{share (\$\d+)\}/g, (_, name: string) => share(name))
  return { sql: parameter === '$' ? plain : plain.replaceAll(/\$(\d+)/g, `${parameter}$1`), needsNow }
}

/** Makes what follows in this transaction wait for whoever else holds the name. Nothing to do where transactions are one after the other. */
export const holdName = `select {lock $1} as held`
