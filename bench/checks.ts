/** What it costs to ask who calls, whether they may and how often, and to write down what they did: against all that the API does for the same requests. */
import { randomBytes, randomUUID } from 'node:crypto'
import { fastify, type FastifyInstance } from 'fastify'
import { Pool } from 'undici'
import { does, guardRoutes } from '../src/api/guard/allowed.ts'
import { auditRoutes, makeAuditor } from '../src/api/guard/audit.ts'
import { makeThrottle } from '../src/api/guard/rates.ts'
import { makeWhoCalls, type Caller } from '../src/auth/caller.ts'
import { createKey } from '../src/auth/keys.ts'
import { makeEvents } from '../src/events.ts'
import { systemClock as clock } from '../src/kit/clock.ts'
import { silentLog } from '../src/kit/log.ts'
import { makeMetrics } from '../src/kit/metrics.ts'
import type { Db } from '../src/store/db.ts'
import { openDatabase } from '../src/store/open.ts'
import { defaultProject } from '../src/store/projects.ts'
import { startBackend } from './backend.ts'
import { createBy, getBy, upload } from './batch.ts'
import { less, openFleet, type Fleet } from './fleet.ts'
import { asTheyCome } from './pace.ts'
import { fileOf, row, type Scenario } from './table.ts'

const [seconds, creates, gets] = [20, 200, 1000]

/** Two routes that do nothing, behind all checks or behind none. */
async function openRoutes(db: Db, isGuarded: boolean): Promise<FastifyInstance> {
  const app = fastify({ logger: false })
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.decorateRequest('made', null)
  app.decorateRequest('caller', null as unknown as Caller)
  await app.register(async (routes) => {
    if (isGuarded) {
      const events = makeEvents({ log: silentLog, metrics: makeMetrics() })
      const auditor = makeAuditor({ db, clock, events, newUuid: randomUUID })
      auditRoutes(routes, auditor)
      guardRoutes(routes, makeWhoCalls({ db, clock }), makeThrottle({ db, clock }, {}))
      app.addHook('onClose', () => auditor.end())
    }
    routes.get('/batches', { config: does('batches.get'), schema: { summary: 'get' } }, async () => ({ id: 'b' }))
    routes.post('/batches', { config: does('batches.create'), schema: { summary: 'create' } }, async () => ({ id: 'b' }))
  })
  await app.ready()
  return app
}

/** Microseconds of CPU a second, of this process and of the database. */
async function cpuOf(fleet: Fleet, app: FastifyInstance, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` }
  const ask = (method: 'GET' | 'POST') => async () => {
    const { statusCode } = await app.inject({ method, url: '/batches', headers })
    if (statusCode !== 200) throw new Error(`${method}: ${statusCode}`)
  }
  const before = await fleet.spent()
  const own = process.cpuUsage()
  await asTheyCome(seconds, [
    { aSecond: creates, ask: ask('POST') },
    { aSecond: gets, ask: ask('GET') },
  ])
  const { user, system } = process.cpuUsage(own)
  const { databaseMicros } = less(await fleet.spent(), before)
  return (user + system + databaseMicros) / seconds
}

async function checks(): Promise<void> {
  await using mock = await startBackend({ delayMs: 50, slots: 0 })
  await using fleet = await openFleet(1, ['--backend', mock.url, '--max-in-flight', '64', '--start-in-flight', '64'])
  const { server } = fleet
  const ten = await upload(server, await fileOf(10, 330))
  const db = await openDatabase({ folder: '', url: fleet.url, clock })
  const { id: projectId } = (await defaultProject(db))!
  const limits = { requests_per_second: 10_000, creates_per_hour: 1_000_000 }
  const { secret } = await createKey(db, { id: randomUUID(), projectId, name: 'k', createdAt: Date.now(), randomBytes, limits })

  const pool = new Pool(server.url, { connections: 64 })
  let known = await createBy(pool, secret, ten)
  const asks = [
    { aSecond: creates, ask: async () => (known = await createBy(pool, secret, ten)) },
    { aSecond: gets, ask: () => getBy(pool, secret, known) },
  ]
  await asTheyCome(5, asks)
  const before = server.cpuMicros()
  await asTheyCome(seconds, asks)
  const api = (server.cpuMicros() - before) / seconds
  await pool.close()
  await fleet.settled()

  const costs: number[] = []
  for (let turn = 0; turn < 3; turn++) {
    const [open, guarded] = [await openRoutes(db, false), await openRoutes(db, true)]
    const without = await cpuOf(fleet, open, secret)
    costs.push((await cpuOf(fleet, guarded, secret)) - without)
    await Promise.all([open.close(), guarded.close()])
  }
  await db[Symbol.asyncDispose]()
  const cost = costs.toSorted((a, b) => a - b)[1] ?? NaN
  const each = (micros: number) => (micros / (creates + gets)).toFixed(1)
  row(
    `all checks on ${creates} creates/s and ${gets} gets/s`,
    `${each(cost)} us a request with the database, of ${each(api)} us of the API alone: ${((cost / (api - cost)) * 100).toFixed(1)} % more CPU`,
    '<= 10 %',
  )
}

export const checkScenarios: Readonly<Record<string, Scenario>> = { checks }
