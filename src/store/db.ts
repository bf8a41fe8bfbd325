/** A row as the driver gives it: snake_case columns. Each statement's function maps it once. */
export type Row = Readonly<Record<string, string | number | null>>
export type Value = string | number | null

export interface Queries {
  /**
   * Runs one statement. Values are `$1`, `$2`, ... in order. Four tokens are the adapter's: `{now}` (milliseconds by the database's clock),
   * `{for update skip locked}` (nothing on SQLite), and `{lock $1}` and `{share $1}` (tokens.ts).
   * @throws {DbUnavailable} when the database cannot be reached or is busy for too long; {DbFull} when its disk has no room; {BadText}.
   */
  query(sql: string, values?: readonly Value[]): Promise<Row[]>
}

export interface Db extends Queries {
  /**
   * All or nothing. Inside, use only the handle you are given and await nothing but the database. One that changes the schema may take as long as it needs, but
   * never waits long for a table that others use: everybody else would stand behind it. It begins anew until it gets it, for ten minutes.
   */
  tx<T>(work: (tx: Queries) => Promise<T>, changes?: 'rows' | 'schema'): Promise<T>
  /** Tells every listener of this channel, in this process or another, that there is something to look for. May be lost: whoever listens also polls. */
  hint(channel: Channel): void
  /** Calls `heard` at each hint. Returns a function that ends it. */
  listen(channel: Channel, heard: () => void): () => void
  [Symbol.asyncDispose](): Promise<void>
}

/** What there may be to look for: a batch to plan, shards to run, a batch to compose, a batch whose status changed under its holders. */
export const channels = ['plan', 'run', 'compose', 'change'] as const
export type Channel = (typeof channels)[number]

export class DbUnavailable extends Error {
  override name = 'DbUnavailable'
}
export class DbFull extends Error {
  override name = 'DbFull'
}
/** A text that the database cannot hold: PostgreSQL takes no NUL. */
export class BadText extends Error {
  override name = 'BadText'
}

export const text = (row: Row, column: string): string => {
  const value = row[column]
  if (typeof value !== 'string') throw new Error(`column ${column} is not text`)
  return value
}
export const textOrNull = (row: Row, column: string): string | null => (row[column] === null ? null : text(row, column))
/** PostgreSQL gives int8 and numeric as strings. */
export const int = (row: Row, column: string): number => {
  const value = Number(row[column])
  if (row[column] === null || !Number.isFinite(value)) throw new Error(`column ${column} is not a number`)
  return value
}
export const intOrNull = (row: Row, column: string): number | null => (row[column] === null ? null : int(row, column))
