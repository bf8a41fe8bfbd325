import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test, vi } from 'vitest'
import { databases } from '../../test/support/databases.ts'
import { systemClock } from '../kit/clock.ts'
import { text, type Db } from './db.ts'
import { connect, openSqlite } from './sqlite.ts'

const open = async (): Promise<Db> => (await databases.sqlite?.()) as Db
const put = 'insert into uploads (blob, owner, renewed_until) values ($1, $2, 0)'
const all = async (db: Db) => (await db.query('select blob from uploads order by blob')).map((row) => text(row, 'blob'))

test('a transaction that asks the outer handle is refused, and nothing of it stays', { timeout: 5000 }, async () => {
  await using db = await open()
  const stuck = db.tx(async (tx) => {
    await tx.query(put, ['a', 'o'])
    await db.query('select 1 as one')
  })
  await expect(stuck).rejects.toThrow('await nothing but the handle')
  expect(await all(db)).toEqual([])
})

test('a transaction that awaits anything else is refused, and its handle is dead afterwards', async () => {
  await using db = await open()
  let later: Promise<unknown> = Promise.resolve()
  const slow = db.tx((tx) => (later = pause(5).then(() => tx.query(put, ['a', 'o']))))
  await expect(slow).rejects.toThrow('await nothing but the handle')
  await expect(later).rejects.toThrow('the transaction has ended')
  expect(await all(db)).toEqual([])
})

test('what is asked while a transaction is open comes after it, and a failed one leaves nothing', async () => {
  await using db = await open()
  const first = db.tx(async (tx) => {
    await tx.query(put, ['a', 'o'])
    await tx.query(put, ['b', 'o'])
  })
  const between = all(db)
  const failing = db.tx(async (tx) => {
    await tx.query(put, ['c', 'o'])
    throw new Error('changed its mind')
  })
  await first
  expect(await between).toEqual(['a', 'b'])
  await expect(failing).rejects.toThrow('changed its mind')
  expect(await all(db)).toEqual(['a', 'b'])
})

/** Another process has the file for itself, as one that is leaving has, and lets go of it after a while. */
const holder = `
  const { workerData, parentPort } = require('node:worker_threads')
  const Database = require(workerData.driver)
  const db = new Database(workerData.path)
  db.exec('pragma locking_mode = exclusive; begin exclusive')
  parentPort.postMessage('held')
  setTimeout(() => { db.exec('commit'); db.close() }, 300)`

test('a database that is locked for a moment is opened when it is free', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-sqlite-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'a.db')
  await openSqlite(path, systemClock)[Symbol.asyncDispose]()
  const driver = createRequire(import.meta.url).resolve('libsql')
  const thread = new Worker(holder, { eval: true, workerData: { path, driver } })
  const gone = once(thread, 'exit')
  await once(thread, 'message')
  await using db = openSqlite(path, systemClock)
  await db.query('create table t (a bigint)')
  await gone
})

test('while another process keeps its lock, reads go on, and all that would write give up at once when their time is over', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-sqlite-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'a.db')
  let [sleeps, now] = [0, 0]
  const clock = { ...systemClock, monotonic: () => now, sleep: (ms: number) => (sleeps++, systemClock.sleep(ms)) }
  await using db = openSqlite(path, clock)
  await db.query('create table t (a bigint)')
  const other = connect(path)
  onTestFinished(() => void other.close())
  other.exec('begin immediate')
  const writes = [1, 2, 3].map((a) => db.tx((tx) => tx.query('insert into t (a) values ($1)', [a])))
  const refused = Promise.allSettled(writes)
  await vi.waitUntil(() => sleeps > 0)
  expect(await db.query('select count(*) as n from t')).toEqual([{ n: 0 }])
  const waited = sleeps
  now = 10_000
  expect((await refused).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(sleeps - waited).toBeLessThan(5)
  other.exec('rollback')
  await db.query('insert into t (a) values (4)')
  expect(await db.query('select a from t')).toEqual([{ a: 4 }])
})
