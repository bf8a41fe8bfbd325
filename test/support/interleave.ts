import pg from 'pg'
import type { Db, Queries } from '../../src/store/db.ts'

/** Something that one of two contenders does on its own handle. */
export type Contender<T> = (db: Db) => Promise<T>

interface Seat {
  /** Lets it do one statement. */
  go: (() => void) | null
  over: boolean
}

/** What came of one order: `done` is the order in which statements began. */
export interface Met<A, B> {
  readonly results: readonly [PromiseSettledResult<A>, PromiseSettledResult<B>]
  readonly done: string
  /** Where the order that was asked for left a choice: so many statements each. */
  readonly steps: readonly [number, number]
}

/**
 * Runs two contenders on one PostgreSQL statement by statement (a commit counts as one) in the order that `order` says, `a` or `b` each; when it is used up, or
 * one has ended, the rest goes as it comes. A statement that waits for the other's lock is left waiting, and the other goes on.
 */
export async function interleave<A, B>(db: Db, url: string, a: Contender<A>, b: Contender<B>, order: string): Promise<Met<A, B>> {
  const spy = new pg.Client(url)
  await spy.connect()
  const seats: Record<'a' | 'b', Seat> = { a: { go: null, over: false }, b: { go: null, over: false } }
  const steps = { a: 0, b: 0 }
  let moved = () => {}
  const gate = (name: 'a' | 'b') =>
    new Promise<void>((resolve) => {
      seats[name].go = resolve
      moved()
    })
  const begin = async <T>(name: 'a' | 'b', contender: Contender<T>): Promise<T> => {
    try {
      return await contender(stepped(db, () => gate(name)))
    } finally {
      seats[name].over = true
      moved()
    }
  }
  const running = Promise.allSettled([begin('a', a), begin('b', b)] as const)

  /** Until it stands at its next statement, has ended, or waits for a lock. */
  async function settled(name: 'a' | 'b'): Promise<void> {
    for (const seat = seats[name]; !seat.go && !seat.over;) {
      const timer = setTimeout(() => moved(), 4)
      await new Promise<void>((resolve) => (moved = resolve))
      clearTimeout(timer)
      if (!seat.go && !seat.over && (await isBlocked(spy))) return
    }
  }

  let done = ''
  const step = async (name: 'a' | 'b'): Promise<void> => {
    const { go } = seats[name]
    if (!go) return
    seats[name].go = null
    steps[name]++
    done += name
    go()
    await settled(name)
  }
  for (const name of ['a', 'b'] as const) await settled(name)
  for (const name of order) await step(name === 'a' ? 'a' : 'b')
  while (!seats.a.over || !seats.b.over) {
    for (const name of ['a', 'b'] as const) await step(name)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const results = await running
  await spy.end()
  return { results, done, steps: [steps.a, steps.b] }
}

/** The handle of a contender: each statement, and each commit, waits for its turn. */
function stepped(db: Db, turn: () => Promise<void>): Db {
  const gated = (on: Queries): Queries => ({
    async query(sql, values) {
      await turn()
      return on.query(sql, values)
    },
  })
  return {
    ...db,
    query: gated(db).query,
    tx: (work) =>
      db.tx(async (tx) => {
        const result = await work(gated(tx))
        await turn()
        return result
      }),
  }
}

async function isBlocked(spy: pg.Client): Promise<boolean> {
  const { rows } = await spy.query<{ n: string }>(
    `select count(*) as n from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`,
  )
  return rows[0]?.n !== '0'
}

/** All orders of `a` and `b` in which so many of each can stand. */
export function orders(a: number, b: number): string[] {
  if (a === 0) return ['b'.repeat(b)]
  if (b === 0) return ['a'.repeat(a)]
  return [...orders(a - 1, b).map((rest) => `a${rest}`), ...orders(a, b - 1).map((rest) => `b${rest}`)]
}
