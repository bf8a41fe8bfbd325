/** What it costs to ask who calls, whether they may and how often, and to write down what they did: the same server under the same load, with all of it and with none. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { Pool } from 'undici'
import { letIn } from '../src/api/guard/guard.ts'
import { startServe } from '../src/app.ts'
import type { Caller } from '../src/auth/caller.ts'
import { createKey } from '../src/auth/keys.ts'
import { loadSettings } from '../src/config.ts'
import { rights } from '../src/domain/rights.ts'
import { systemClock as clock } from '../src/kit/clock.ts'
import { openDatabase } from '../src/store/open.ts'
import { defaultProject } from '../src/store/projects.ts'
import { createBy, getBy, upload } from './batch.ts'
import { cpuMicrosOf } from './cpu.ts'
import { less, openFleet, type Fleet } from './fleet.ts'
import { asTheyCome } from './pace.ts'
import { fileOf, row, type Scenario } from './table.ts'

const [seconds, creates, gets, turns] = [15, 200, 1000, 6]

interface Ask {
  readonly database: string
  readonly blobs: string
  readonly data: string
  /** Lets everybody in as this one, and asks nothing; null: all checks. */
  readonly open: Pick<Caller, 'keyId' | 'projectId'> | null
}

async function serveAlone({ database, blobs, data, open }: Ask): Promise<void> {
  const settings = loadSettings({ flags: { database, blobs, data, workers: '0', port: '0' } }, {})
  const app = await startServe(settings, {}, ...(open ? [letIn({ ...open, rights: new Set(rights), limits: {} })] : []))
  process.send?.(app.url)
}

interface Served extends AsyncDisposable {
  readonly url: string
  readonly pid: number
}

async function startAlone(ask: Ask): Promise<Served> {
  const child = fork(import.meta.filename, [JSON.stringify(ask)], {
    execArgv: process.execArgv,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const [url] = (await once(child, 'message')) as [string]
  return {
    url,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** Microseconds of CPU a request. */
interface Cost {
  readonly server: number
  readonly database: number
}
const noCost: Cost = { server: NaN, database: NaN }
const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? NaN

async function cpuOf(fleet: Fleet, served: Served, key: string, input: string): Promise<Cost> {
  const pool = new Pool(served.url, { connections: 64 })
  let known = await createBy(pool, key, input)
  const asks = [
    { aSecond: creates, ask: async () => (known = await createBy(pool, key, input)) },
    { aSecond: gets, ask: () => getBy(pool, key, known) },
  ]
  await asTheyCome(2, asks)
  const before = { spent: await fleet.spent(), micros: cpuMicrosOf(served.pid) }
  await asTheyCome(seconds, asks)
  const { databaseMicros } = less(await fleet.spent(), before.spent)
  const each = (micros: number) => micros / seconds / (creates + gets)
  const cost = { server: each(cpuMicrosOf(served.pid) - before.micros), database: each(databaseMicros) }
  await pool.close()
  return cost
}

async function checks(): Promise<void> {
  await using fleet = await openFleet(0, [])
  const { server } = fleet
  const input = await upload(server, await fileOf(10, 330))
  const db = await openDatabase({ folder: '', url: fleet.url, clock })
  const { id: projectId } = (await defaultProject(db))!
  const limits = { requests_per_second: 10_000, creates_per_hour: 1_000_000 }
  const made = await createKey(db, { id: randomUUID(), projectId, name: 'k', createdAt: Date.now(), randomBytes, limits })
  await db[Symbol.asyncDispose]()

  const all = { database: fleet.url, blobs: join(server.data, 'blobs') }
  await using guarded = await startAlone({ ...all, data: join(server.data, 'guarded'), open: null })
  await using open = await startAlone({ ...all, data: join(server.data, 'open'), open: { keyId: made.id, projectId } })
  const costs: { open: Cost; guarded: Cost }[] = []
  for (let turn = 0; turn < turns; turn++) {
    const one = { open: noCost, guarded: noCost }
    for (const name of turn % 2 === 0 ? (['open', 'guarded'] as const) : (['guarded', 'open'] as const))
      one[name] = await cpuOf(fleet, name === 'open' ? open : guarded, made.secret, input)
    costs.push(one)
  }
  const without = median(costs.map((c) => c.open.server + c.open.database))
  const more = median(costs.map(({ open: o, guarded: g }) => g.server + g.database - o.server - o.database))
  row(
    `all checks on ${creates} creates/s and ${gets} gets/s`,
    `${more.toFixed(0)} us of CPU a request, beside ${without.toFixed(0)} without them (server and database): ${((more / without) * 100).toFixed(1)} % more`,
    '<= 10 %',
  )
}

export const checkScenarios: Readonly<Record<string, Scenario>> = { checks }

const [ask] = process.argv.slice(2)
if (process.send && ask?.startsWith('{')) await serveAlone(JSON.parse(ask) as Ask)
