import type { Clock } from '../../src/kit/clock.ts'
import { DbUnavailable, type Channel, type Db, type Queries, type Row, type Value } from '../../src/store/db.ts'
import { migrate } from '../../src/store/migrate.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { Chance } from '../support/chance.ts'
import { worldBegan, type Life } from './life.ts'
import type { SimTime } from './sim-time.ts'
import { isWorthTelling, makeStatements, shorten, tellDone, type Done } from './statement.ts'
import type { Trip } from './trip.ts'

/** The one database of a world, on a machine of its own: with its own clock, and away now and then. */
export interface Database {
  /** Without faults: for the world's own eyes. */
  readonly eyes: Db
  /** What its clock showed at that time of the world. */
  nowAt(then: number): number
  /** When its clock was set, and by how much. */
  readonly jumps: readonly { readonly at: number; readonly ms: number }[]
  jump(ms: number): void
  goDown(ms: number): void
  /** For this process alone it is out of reach. */
  cutOff(life: Life, ms: number): void
  /** As a process sees it. `plant` may put a bug into a statement. */
  open(life: Life, trip: Trip, plant: (text: string) => string): Db
}

export interface DatabaseParts {
  readonly time: SimTime
  readonly chance: Chance
  readonly hintsLost: () => number
  /** Called before each commit, within its transaction, with the statements that it has run. */
  readonly inspect: (tx: Queries, done: readonly Done[]) => Promise<void>
}

/** SQLite in memory, one for all worlds of this process, emptied for each: what is prepared once stays prepared. */
let memory: Promise<{ db: Db; tables: string[] }> | undefined
let clockNow = () => worldBegan
const memoryClock: Clock = { now: () => clockNow(), monotonic: () => 0, sleep: () => Promise.resolve() }

async function openMemory(): Promise<{ db: Db; tables: string[] }> {
  const db = openSqlite(':memory:', memoryClock)
  await migrate(db, worldBegan)
  const rows = await db.query(`select name from sqlite_master where type = 'table' and name <> 'migrations' order by rowid desc`)
  return { db, tables: rows.map((row) => String(row.name)) }
}

export async function openDatabase({ time, chance, hintsLost, inspect }: DatabaseParts): Promise<Database> {
  memory ??= openMemory()
  const { db: eyes, tables } = await memory
  for (const table of tables) await eyes.query(`delete from ${table}`)
  let downUntil = 0
  const jumps: { at: number; ms: number }[] = []
  const listeners = new Set<{ channel: Channel; life: Life; heard: () => void }>()
  const nowAt = (then: number) => jumps.reduce((clock, jump) => (jump.at <= then ? clock + jump.ms : clock), worldBegan + then)
  clockNow = () => nowAt(time.now)
  const refusal = () => new DbUnavailable('the database is away')
  const cutOffUntil = new Map<Life, number>()

  function open(life: Life, trip: Trip, plant: (text: string) => string): Db {
    const statementOf = makeStatements(plant)
    const away = () => time.now < Math.max(downUntil, cutOffUntil.get(life) ?? 0)

    function write<T>(name: string, effect: (done: Done[]) => Promise<T>): Promise<T> {
      const done: Done[] = []
      const what = () => tellDone(done) || shorten(name)
      return trip({ what, worthTelling: () => isWorthTelling(done), changes: true, effect: () => effect(done), refusal, away })
    }

    async function runOne(text: string, values: readonly Value[], done: Done[]): Promise<Row[]> {
      const rows = await eyes.query(statementOf(text).sql, values)
      done.push({ sql: text, values, rows })
      return rows
    }

    const runAll = <T>(work: (tx: Queries) => Promise<T>, done: Done[]): Promise<T> =>
      eyes.tx(async (tx) => {
        let inspected = false
        const result = await work({
          async query(text, values = []) {
            const statement = statementOf(text)
            const rows = await tx.query(statement.sql, values)
            if (statement.changes) done.push({ sql: text, values, rows })
            inspected ||= statement.inspected
            return rows
          },
        })
        if (inspected) await inspect(tx, done)
        return result
      })

    return {
      query(text, values = []) {
        const statement = statementOf(text)
        if (statement.inspected) return write(text, (done) => runAll((tx) => tx.query(text, values), done))
        if (statement.changes) return write(text, (done) => runOne(text, values, done))
        return trip({ what: () => shorten(text), changes: false, effect: () => eyes.query(statement.sql, values), refusal, away })
      },
      tx: (work) => write('a transaction', (done) => runAll(work, done)),
      hint(channel) {
        if (!life.alive) return
        for (const { channel: its, life: whose, heard } of listeners)
          if (its === channel && !chance.happens(hintsLost()))
            time.at(time.now + chance.between(0, 3), () => whose.deliver(heard))
      },
      listen(channel, heard) {
        const listener = { channel, life, heard }
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
      async [Symbol.asyncDispose]() {},
    }
  }

  return {
    eyes,
    nowAt,
    jumps,
    jump(ms) {
      jumps.push({ at: time.now, ms })
    },
    goDown(ms) {
      downUntil = Math.max(downUntil, time.now + ms)
    },
    cutOff: (life, ms) => void cutOffUntil.set(life, time.now + ms),
    open,
  }
}
