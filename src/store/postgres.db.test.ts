/** What PostgreSQL alone can do to us. */
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { newPostgres } from '../../test/support/databases.ts'
import { newDatabase } from '../../test/support/postgres-server.ts'
import { poll } from '../../test/conformance/follow.ts'
import { systemClock } from '../kit/clock.ts'
import { DbUnavailable, type Db } from './db.ts'
import { openDatabase } from './open.ts'
import { openPostgres } from './postgres.ts'

const server = process.env.NIGHTSHIFT_TEST_POSTGRES ?? ''
const put = 'insert into uploads (blob, owner, renewed_until) values ($1, $2, 0)'
const blobs = async (db: Db) => (await db.query('select blob from uploads order by blob')).map((row) => row.blob)

async function open(): Promise<{ db: Db; url: string; endAll(): Promise<void> }> {
  const { db, url, drop } = await newPostgres(server)
  onTestFinished(drop)
  /** As a restart does: every session of this database ends at once. */
  const endAll = async () => {
    const client = new pg.Client(server)
    await client.connect()
    const name = new URL(url).pathname.slice(1)
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()', [
      name,
    ])
    await client.end()
  }
  return { db, url, endAll }
}

describe.runIf(server)('on PostgreSQL', () => {
  test('ten that start at once on an empty database migrate it once', async () => {
    const { url, drop } = await newDatabase(server)
    const all = await Promise.all(Array.from({ length: 10 }, () => openDatabase({ folder: '', url, clock: systemClock })))
    onTestFinished(async () => {
      await Promise.all(all.map((db) => db[Symbol.asyncDispose]()))
      await drop()
    })
    const rows = await all[3]!.query('select number from migrations order by number')
    expect(rows.map((row) => Number(row.number))).toEqual(rows.map((_, i) => i + 1))
  })

  test('a hint of one is heard by another, also after the connection that listens was broken', { timeout: 30_000 }, async () => {
    const { db, url, endAll } = await open()
    await using other = openPostgres(url, { clock: systemClock })
    let heard = 0
    other.listen('run', () => heard++)
    const isHeard = async (what: string) => {
      const before = heard
      await poll(
        async () => (db.hint('run'), heard),
        (n) => n > before,
        what,
      )
    }
    await isHeard('a hint')
    await endAll()
    await isHeard('a hint on a new connection')
  })

  test('a transaction whose session ends is unavailable, leaves nothing, and the next one works', async () => {
    const { db, endAll } = await open()
    const broken = db.tx(async (tx) => {
      await tx.query(put, ['a', 'o'])
      await endAll()
      await tx.query(put, ['b', 'o'])
    })
    await expect(broken).rejects.toThrow(DbUnavailable)
    await poll(
      async () => blobs(db).catch(() => null),
      (seen) => seen !== null,
      'it answers again',
    )
    expect(await blobs(db)).toEqual([])
  })

  test('two that lock each other out both come through: the one that was refused is done again', async () => {
    const { db } = await open()
    for (const blob of ['a', 'b']) await db.query(put, [blob, 'o'])
    let tries = 0
    const set = (owner: string, first: string, second: string) =>
      db.tx(async (tx) => {
        tries++
        await tx.query('update uploads set owner = $1 where blob = $2', [owner, first])
        await new Promise((resolve) => setTimeout(resolve, 200))
        await tx.query('update uploads set owner = $1 where blob = $2', [owner, second])
      })
    await Promise.all([set('x', 'a', 'b'), set('y', 'b', 'a')])
    expect(tries).toBeGreaterThan(2)
    const owners = (await db.query('select owner from uploads')).map((row) => row.owner)
    expect(new Set(owners).size).toBe(1)
  })

  test('a change of the schema waits for who reads a table, and nobody else waits for it', { timeout: 15_000 }, async () => {
    const { db, url } = await open()
    const backup = new pg.Client(url)
    await backup.connect()
    await backup.query('begin; lock table uploads in access share mode')
    const altered = db.tx((tx) => tx.query('alter table uploads add column more bigint'), 'schema')
    const waiting = () => db.query(`select 1 as one from pg_locks where mode = 'AccessExclusiveLock' and not granted`)
    await poll(waiting, (locks) => locks.length > 0, 'the change waits')
    expect(await blobs(db)).toEqual([])
    await backup.query('commit')
    await backup.end()
    await altered
    expect(await db.query('select more from uploads')).toEqual([])
  })

  test('a transaction that has failed inside is not taken for committed, and what the caller throws comes out as it is', async () => {
    const { db } = await open()
    const swallowed = db.tx(async (tx) => {
      await tx.query(put, ['a', 'o'])
      await tx.query(put, ['a', 'o']).catch(() => {})
    })
    await expect(swallowed).rejects.toThrow('had failed before its end')
    const own = Object.assign(new Error('connection timeout of somebody else'), { code: 'E_OWN' })
    await expect(db.tx(() => Promise.reject(own))).rejects.toBe(own)
    expect(await blobs(db)).toEqual([])
  })

  test('an address that cannot be is told without its password', async () => {
    const wrong = new URL(server)
    wrong.password = 'sesame'
    wrong.pathname = '/nosuchdatabase'
    const failure = await openDatabase({ folder: '', url: wrong.href, clock: systemClock }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(DbUnavailable)
    expect(String(failure)).toMatch(/no such database/)
    wrong.port = '1'
    const away = await openDatabase({ folder: '', url: wrong.href, clock: systemClock }).catch((error: unknown) => error)
    expect(String(away)).toMatch(/the database at \S+:1 cannot be reached \(ECONNREFUSED\): .* --database/)
    expect(String(failure) + String(away)).not.toContain('sesame')
  })
})
