import type { Row, Value } from '../../src/store/db.ts'

/** A statement that was run, and what it gave. */
export interface Done {
  readonly sql: string
  readonly values: readonly Value[]
  readonly rows: readonly Row[]
}

/** What is to be known of a statement's text. */
export interface Statement {
  /** With the bug that is planted in it. */
  readonly sql: string
  readonly changes: boolean
  /** The checks look at what it did, before it is committed. */
  readonly inspected: boolean
}

const changes = /^\s*(insert|update|delete)|\b(update|delete from) /
const inspected = /insert into segments|insert into batches|update batches\s+set status|state = 'closed'/
const dull = / (workers|slots|creates) /

/** Looks at each text once. */
export function makeStatements(plant: (text: string) => string): (text: string) => Statement {
  const known = new Map<string, Statement>()
  return (text) => {
    let found = known.get(text)
    if (!found) {
      found = { sql: plant(text), changes: changes.test(text), inspected: inspected.test(text) }
      known.set(text, found)
    }
    return found
  }
}

const didSomething = ({ sql, rows }: Done): boolean => (rows.length > 0 || !/returning/.test(sql)) && !dull.test(sql)

/** Did they change anything that a story should tell? */
export const isWorthTelling = (done: readonly Done[]): boolean => done.some(didSomething)

/** Statements as a story tells them: those that did something. */
export const tellDone = (done: readonly Done[]): string =>
  done
    .filter(didSomething)
    .map(({ sql, values }) => `${shorten(sql)} [${values.slice(0, 5).join()}]`)
    .join('; ')

export const shorten = (sql: string): string => sql.replaceAll(/\s+/g, ' ').slice(0, 70)

/** The rows of an insertion of several, each of so many values. */
export const rowsIn = ({ values }: Done, width: number): Value[][] =>
  Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width))
