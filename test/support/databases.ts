import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { systemClock, type Clock } from '../../src/kit/clock.ts'
import type { Db } from '../../src/store/db.ts'
import { openDatabase } from '../../src/store/open.ts'
import { newDatabase } from './postgres-server.ts'

export type OpenDb = (clock?: Clock) => Promise<Db>

async function openOnSqlite(clock: Clock = systemClock): Promise<Db> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-db-'))
  const db = await openDatabase({ folder, clock })
  return endingWith(db, () => rm(folder, { recursive: true }))
}

async function openOnPostgres(server: string, clock: Clock = systemClock): Promise<Db> {
  const { url, drop } = await newDatabase(server)
  if (clock === systemClock) return endingWith(await openDatabase({ folder: '', url, clock }), drop)
  const hands = await takeItsClock(url, 'to_timestamp(ms / 1000)')
  const set = () => hands.set(clock.now())
  const db = await openDatabase({ folder: '', url, clock })
  const moved: Db = {
    ...db,
    query: async (sql, values) => (await set(), db.query(sql, values)),
    tx: async (work) => (await set(), db.tx(work)),
  }
  return endingWith(moved, async () => (await hands.end(), drop()))
}

/** What `clock_timestamp()` tells in a database: that of a schema which is found before PostgreSQL's own, made from the number that was set last. */
async function takeItsClock(url: string, told: string): Promise<{ set(ms: number): Promise<unknown>; end(): Promise<void> }> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(`create schema hands; create table hands.clock (ms double precision); insert into hands.clock values (0);
    create function hands.clock_timestamp() returns timestamptz language sql volatile as $$ select ${told} from hands.clock $$;
    do $$ begin execute format('alter database %I set search_path = hands, public, pg_catalog', current_database()); end $$`)
  return { set: (ms) => client.query('update hands.clock set ms = $1', [ms]), end: () => client.end() }
}

/** With its address, for those who look at it by another way. */
export async function newPostgres(server: string): Promise<{ db: Db; url: string; drop(): Promise<void> }> {
  const { url, drop } = await newDatabase(server)
  const db = await openDatabase({ folder: '', url, clock: systemClock })
  return { db, url, drop: async () => (await db[Symbol.asyncDispose](), drop()) }
}

/** A database whose clock can be set ahead of the machine's. */
export async function movableDatabase(
  server: string,
): Promise<{ url: string; setAhead(ms: number): Promise<unknown>; drop(): Promise<void> }> {
  const { url, drop } = await newDatabase(server)
  const hands = await takeItsClock(url, `pg_catalog.clock_timestamp() + ms * interval '1 millisecond'`)
  return { url, setAhead: hands.set, drop: async () => (await hands.end(), drop()) }
}

const endingWith = (db: Db, after: () => Promise<void>): Db => ({
  ...db,
  async [Symbol.asyncDispose]() {
    await db[Symbol.asyncDispose]()
    await after()
  },
})

const { NIGHTSHIFT_TEST_POSTGRES: server } = process.env

/** Every database that the store knows and that can be had here, each empty and of its own: store tests run on all of them. */
export const databases: Readonly<Record<string, OpenDb>> = {
  sqlite: openOnSqlite,
  ...(server === undefined ? {} : { postgres: (clock) => openOnPostgres(server, clock) }),
}
