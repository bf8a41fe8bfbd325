/** How soon things happen: the first request of a big file, a small batch behind a big one, a cancel, a restart, answers of the API beside it all. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeUuids, type BatchId, type KeyId, type ProjectId } from '../src/domain/ids.ts'
import { systemClock } from '../src/kit/clock.ts'
import { insertBatch } from '../src/store/batches.ts'
import { openDatabase } from '../src/store/open.ts'
import { startBackend } from './backend.ts'
import { call, create, ended, get, until, upload } from './batch.ts'
import { startServer, type Server } from './child.ts'
import { fileOf, quantile, ratio, row, type Scenario } from './table.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

async function start(): Promise<void> {
  const path = await fileOf(20_000, 4050)
  const [uploads, starts]: [number[], number[]] = [[], []]
  for (let i = 0; i < 3; i++) {
    await using fresh = await startBackend({ delayMs: 0, slots: 0 })
    await using server = await startServer(['--backend', fresh.url])
    let file = ''
    uploads.push(await msOf(async () => (file = await upload(server, path))))
    const from = Date.now()
    const { id } = await create(server, file)
    await until(server, id, ended, 50)
    starts.push((await fresh.counts()).first - from)
  }
  row('81 MB of 4 kB lines: upload', `${Math.round(Math.min(...uploads))} ms`, '< 600 ms')
  row('81 MB of 4 kB lines: create to the first request', `${Math.round(Math.min(...starts))} ms`, '< 500 ms')
}

async function cancel(): Promise<void> {
  await using mock = await startBackend({ delayMs: 20, slots: 0 })
  await using server = await startServer(['--backend', mock.url])
  const big = await upload(server, await fileOf(50_000, 330))
  const small = await upload(server, await fileOf(100, 330))
  const [times, behind]: [number[], number[]] = [[], []]
  for (let i = 0; i < 3; i++) {
    const { id } = await create(server, big)
    await until(server, id, (b) => b.request_counts.completed > 0)
    behind.push(await msOf(async () => until(server, (await create(server, small)).id, ended, 3)))
    times.push(
      await msOf(async () => {
        await call(server, 'POST', `/batches/${id}/cancel`)
        await until(server, id, ended, 3)
      }),
    )
  }
  row('100 lines behind 50,000 (20 ms backend): completed in', `${Math.round(Math.min(...behind))} ms`, '300 ms')
  row('cancel of 50,000 lines in full flight: cancelled in', `${Math.round(Math.min(...times))} ms`, '300 ms')
}

async function kill(): Promise<void> {
  const count = 50_000
  await using mock = await startBackend({ delayMs: 5, slots: 0 })
  const first = await startServer(['--backend', mock.url])
  const file = await upload(first, await fileOf(count, 330))
  const { id } = await create(first, file)
  await until(first, id, (b) => b.request_counts.completed > count / 2, 20)
  await first.kill('SIGKILL')
  const before = await mock.counts()
  const from = performance.now()
  await using second = await startServer(['--backend', mock.url], first.data)
  while ((await mock.counts()).requests === before.requests) await pause(5)
  const sendingMs = performance.now() - from
  await until(second, id, ended, 20)
  row('kill -9 at half: sending again after the restart in', `${Math.round(sendingMs)} ms`, '< 2000 ms')
  row('  lines sent twice', String((await mock.counts()).requests - count), 'flights + 1 s')
}

/** Creates with an input of 200 MB, while a batch runs. They are cancelled at once: it is the create that counts. */
async function creates(): Promise<void> {
  await using mock = await startBackend({ delayMs: 50, slots: 0 })
  await using server = await startServer(['--backend', mock.url])
  const running = await create(server, await upload(server, await fileOf(50_000, 330)))
  const input = await upload(server, await fileOf(50_000, 3980))
  await until(server, running.id, (b) => b.request_counts.completed > 0)
  const times: number[] = []
  for (let i = 0; i < 100; i++) {
    let id = ''
    times.push(await msOf(async () => (id = (await create(server, input)).id)))
    await call(server, 'POST', `/batches/${id}/cancel`)
    await pause(20)
  }
  const middle = quantile(times, 0.5).toFixed(1)
  row(
    'create with an input of 199 MB while a batch runs, of 100',
    `p50 ${middle} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`,
    'p99 < 20 ms',
  )
}

/** Fills the table of a server that is stopped, as if so many batches had ended long ago. */
async function fill(data: string, count: number): Promise<void> {
  const { project } = JSON.parse(readFileSync(join(data, 'credentials.json'), 'utf8')) as { project: string }
  const db = await openDatabase({ folder: data, clock: systemClock })
  const newUuid = makeUuids(() => Date.now() - 86_400_000, randomBytes)
  const ends = ['completed', 'failed', 'expired', 'cancelled']
  for (let made = 0; made < count; made += 1000)
    await db.tx(async (tx) => {
      for (let i = made; i < Math.min(count, made + 1000); i++) {
        const id = newUuid() as BatchId
        const createdAt = Date.now() - 86_400_000 + i
        await insertBatch(tx, {
          id,
          projectId: project as ProjectId,
          keyId: 'k' as KeyId,
          endpoint: '/v1/embeddings',
          input: 'file-x',
          completionWindow: '24h',
          metadata: null,
          outputExpiresSeconds: null,
          createdAt,
          expiresAt: createdAt + 86_400_000,
        })
        await tx.query(`update batches set status = $2, sweeps = 2, total = 10, completed = 10 where id = $1`, [
          id,
          ends[i % ends.length] ?? '',
        ])
      }
    })
  await db[Symbol.asyncDispose]()
}

async function list(): Promise<void> {
  const sizes = [100, 100_000]
  const servers: Server[] = []
  for (const size of sizes) {
    const first = await startServer([])
    await first.kill('SIGTERM')
    await fill(first.data, size)
    servers.push(await startServer([], first.data))
  }
  const times = sizes.map(() => ({ list: [] as number[], deep: [] as number[], get: [] as number[] }))
  const pages = await Promise.all(servers.map((s) => call<{ last_id: string }>(s, 'GET', '/batches?limit=50')))
  for (let i = 0; i < 300; i++)
    for (const [n, server] of servers.entries()) {
      const last = pages[n]?.last_id ?? ''
      times[n]?.list.push(await msOf(() => call(server, 'GET', '/batches')))
      times[n]?.deep.push(await msOf(() => call(server, 'GET', `/batches?after=${last}`)))
      times[n]?.get.push(await msOf(() => get(server, last)))
    }
  for (const what of ['list', 'deep', 'get'] as const) {
    const [few, many] = times.map((t) => quantile(t[what], 0.5)) as [number, number]
    const name = { list: 'first page of batches', deep: 'a page from the middle', get: 'a batch' }[what]
    row(
      `${name}, 100,000 in the table against 100`,
      `${many.toFixed(2)} against ${few.toFixed(2)} ms = ${ratio(many / few)}`,
      '<= 1.50',
    )
  }
  for (const server of servers) await server[Symbol.asyncDispose]()
}

export const latency: Readonly<Record<string, Scenario>> = { start, cancel, kill, creates, list }
