/** Planted bugs that are more than a word in a statement. */
import type { Blobs } from '../../src/blobs/blobs.ts'
import type { Transport } from '../../src/dispatch/http/transport.ts'
import { DbUnavailable, type Db, type Queries, type Row, type Value } from '../../src/store/db.ts'
import type { Life } from './life.ts'

const segment = /^(.*\/\d+)-\d+(-\d+)$/

/** A put of a segment says that it is done, and does it a moment later. */
export function beforeItsBlob(blobs: Blobs, { clock }: Life): Blobs {
  return {
    ...blobs,
    async put(name, source, signal) {
      if (!segment.test(name)) return blobs.put(name, source, signal)
      const chunks: Buffer[] = []
      if (source instanceof Uint8Array) chunks.push(Buffer.from(source))
      else for await (const chunk of source) chunks.push(Buffer.from(chunk))
      void clock.sleep(5).then(() => blobs.put(name, chunks, signal).catch(() => {}))
      return Buffer.concat(chunks).length
    },
  }
}

const bare = (name: string): string => name.replace(segment, '$1$2')

/** In rows and in the store: who held a shard before writes over what the next has written. */
export const withoutFence = {
  blobs: (blobs: Blobs): Blobs => ({
    ...blobs,
    put: (name, source, signal) => blobs.put(bare(name), source, signal),
    compose: (name, ranges, from, signal) =>
      blobs.compose(bare(name), ranges.map((range) => ({ ...range, name: bare(range.name) })), from, signal), // prettier-ignore
    delete: (names) => blobs.delete(names.map(bare)),
  }),
  db(db: Db): Db {
    const queries = (of: Queries): Queries => ({
      query: (sql, values = []) =>
        of.query(sql, sql.startsWith('insert into segments') ? values.map((v) => (typeof v === 'string' ? bare(v) : v)) : values),
    })
    return { ...db, ...queries(db), tx: (work) => db.tx((tx) => work(queries(tx))) }
  },
}

/** Whoever says a shard's name may write to it, whatever fence they say. */
export function anyFence(db: Db): Db {
  const queries = (of: Queries): Queries => ({
    async query(sql, values = []) {
      if (!sql.startsWith('update shards set fence = fence where (batch_id')) return of.query(sql, values)
      const rows = await of.query(
        sql.replace(
          /\(batch_id, number, fence\) in \((values .*)\)$/m,
          '(batch_id, number) in (select column1, column2 from ($1) v)',
        ),
        values,
      )
      return rows.map((row) => {
        const at = values.findIndex((v, i) => i % 3 === 0 && v === row.batch_id && values[i + 1] === row.number)
        return { ...row, fence: values[at + 2] ?? null }
      })
    },
  })
  return { ...db, ...queries(db), tx: (work) => db.tx((tx) => work(queries(tx))) }
}

const looks =
  /^(select model from batches|select (b\.)?id,.* from batches|update shards set lease_until = \{now\}|insert into workers|delete from workers)/s

/** While the database cannot be reached, what it said last is taken for what is. */
export function trustsItsLastLook(db: Db): Db {
  const last = new Map<string, Row[]>()
  const keyOf = (sql: string, values: readonly Value[]) => `${sql} ${values.join()}`
  return {
    ...db,
    async query(sql, values = []) {
      try {
        const rows = await db.query(sql, values)
        if (looks.test(sql)) last.set(keyOf(sql, values), rows)
        return rows
      } catch (error) {
        const known = last.get(keyOf(sql, values))
        if (known && error instanceof DbUnavailable) return known
        throw error
      }
    },
  }
}

/** Trouble of this machine is taken for a time-out of the backend. */
export const oursBurns =
  (transport: Transport): Transport =>
  (backend, ended) =>
    transport(backend, (sent, outcome) => ended(sent, outcome.kind === 'ours' ? { kind: 'timeout', phase: 'answer' } : outcome))
