/** Many processes on one PostgreSQL: an API alone and workers beside it, any of which may be killed or stopped; the database too. */
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openFolder, serve } from '../cli/program.ts'
import { follow, followToEnd, poll } from '../conformance/follow.ts'
import { linesOf, times } from '../conformance/lines.ts'
import { readResults } from '../conformance/results.ts'
import { call, create, listBatches, post, tryCreate, upload, type Batch, type Door } from '../conformance/wire.ts'
import { freePort } from '../support/free-port.ts'
import { findPrograms, newDatabase, startPostgres } from '../support/postgres-server.ts'
import { openFleet } from './fleet.ts'
import { watchFor } from './processes.ts'

const { NIGHTSHIFT_TEST_POSTGRES: shared } = process.env

/** Two APIs without workers on one database, and the key that opens both. */
async function openTwo(database: string): Promise<[Door, Door]> {
  const folder = await openFolder()
  const flags = ['--database', database, '--blobs', folder.in('blobs'), '--workers', '0']
  const first = await serve(folder.in('first'), 'http://127.0.0.1:9', { flags })
  const second = await serve(folder.in('second'), 'http://127.0.0.1:9', { flags })
  onTestFinished(async () => {
    await Promise.all([first, second].map((one) => one[Symbol.asyncDispose]()))
    await folder[Symbol.asyncDispose]()
  })
  return [first, { baseUrl: second.baseUrl, key: first.key }]
}

/** A create as a client sends it again, which closes its connection at the answer: so no answer counts as arrived. The batch's id. */
async function repeatAndGo({ baseUrl, key }: Door, creation: object): Promise<string> {
  const agent = new Agent({ keepAlive: true })
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-stainless-retry-count': '1' }
  const sent = request(`${baseUrl}/v1/batches`, { method: 'POST', agent, headers })
  sent.end(JSON.stringify({ endpoint: '/v1/chat/completions', completion_window: '24h', ...creation }))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const { id } = (await json(response)) as Batch
  agent.destroy()
  return id
}

const ownersOf = (database: string) => async (): Promise<string[]> => {
  const client = new pg.Client(database)
  await client.connect()
  try {
    const { rows } = await client.query<{ owner: string }>(`select distinct owner from shards where state = 'held'`)
    return rows.map(({ owner }) => owner)
  } finally {
    await client.end()
  }
}

describe.runIf(shared)('on a running PostgreSQL', () => {
  const fresh = async () => {
    const { url, drop } = await newDatabase(shared ?? '')
    onTestFinished(drop)
    return url
  }

  test('a worker with a port tells whether it is well, and what it counts', async () => {
    const { simulator, work } = await openFleet(await fresh(), 0, [])
    const port = String(await freePort())
    const worker = await work(['--worker-port', port])
    onTestFinished(() => worker[Symbol.asyncDispose]())
    const at = `http://127.0.0.1:${port}`
    const ask = async (path: string) => {
      const response = await fetch(at + path)
      return [response.status, await response.text()] as const
    }
    expect(worker.err()).toContain(at)
    await poll(
      () => ask('/readyz'),
      ([status]) => status === 200,
      'it is ready',
    )
    expect((await ask('/healthz'))[0]).toBe(200)
    expect((await ask('/metrics'))[1]).toContain(`nightshift_backend_limit{backend="${simulator.url}`)
    expect((await ask('/v1/batches'))[0]).toBe(404)
  })

  test('fifty creates at once under one Idempotency-Key, at two processes, are one batch; another body is refused at both', async () => {
    const [first, second] = await openTwo(await fresh())
    const { id } = await upload(first, linesOf(['']).text)
    const headers = { 'idempotency-key': 'one' }
    const made = await Promise.all(times(50).map((_, i) => create(i % 2 ? first : second, { input_file_id: id }, { headers })))
    expect(new Set(made.map((batch) => batch.id)).size).toBe(1)
    expect((await listBatches(first)).data).toHaveLength(1)
    for (const door of [first, second]) {
      const other = await tryCreate(door, { input_file_id: id, metadata: { another: 'body' } }, { headers })
      expect([other.status, other.headers.get('x-should-retry')]).toEqual([409, 'false'])
    }
  })

  test('fifty repeats at once of a create without a key, at two processes, are one batch while no answer has arrived', async () => {
    const [first, second] = await openTwo(await fresh())
    const { id: input_file_id } = await upload(first, linesOf(['']).text)
    const made: string[] = []
    for (const round of ['a', 'b', 'c', 'd', 'e']) {
      const doors = times(50).map((_, i) => (i % 2 ? first : second))
      const ids = await Promise.all(doors.map((door) => repeatAndGo(door, { input_file_id, metadata: { round } })))
      expect(new Set(ids).size).toBe(1)
      made.unshift(...new Set(ids))
    }
    expect((await listBatches(first)).data.map(({ id }) => id)).toEqual(made)
    expect(made, 'what is no repeat').not.toContain((await create(second, { input_file_id, metadata: { round: 'e' } })).id)
  })

  test('a key has its requests a second at two processes together', async () => {
    const [first, second] = await openTwo(await fresh())
    const limit = 20
    const answer = await post(first, '/v1/admin/keys', { name: 'k', limits: { requests_per_second: limit } })
    const { key } = answer.json as { key: string }
    const began = performance.now()
    const seconds = () => (performance.now() - began) / 1000
    const statuses: number[] = []
    while (seconds() < 1.5) {
      const asked = times(40).map((_, i) => call(i % 2 ? first : second, 'GET', '/v1/batches', { key }))
      statuses.push(...(await Promise.all(asked)).map(({ status }) => status))
    }
    const through = statuses.filter((status) => status === 200).length
    expect(through).toBeGreaterThanOrEqual(limit)
    expect(through, `of ${statuses.length}`).toBeLessThanOrEqual(limit + limit * seconds())
    expect(new Set(statuses)).toEqual(new Set([200, 429]))
  })

  test('four workers share a batch within the ceiling; each line is in one result', { timeout: 90_000 }, async () => {
    const database = await fresh()
    const { simulator, server } = await openFleet(database, 4, ['--max-in-flight', '12'])
    const lines = linesOf(times(1500))
    const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
    await using owners = watchFor(ownersOf(database))
    const batch = await followToEnd(server, id, 60_000)
    expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: 1500 } })
    await readResults(server, batch, lines.customIds)
    expect(owners.all.size).toBe(4)
    expect(simulator.stats().maxInFlight).toBeLessThanOrEqual(12)
    expect(simulator.stats().requests).toBe(1500)
  })

  test('a ceiling of one works with four workers, and one small batch uses the whole ceiling', { timeout: 90_000 }, async () => {
    const { simulator, server } = await openFleet(await fresh(), 4, ['--max-in-flight', '1'])
    const lines = linesOf(times(40))
    const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
    await readResults(server, await followToEnd(server, id, 60_000), lines.customIds)
    expect(simulator.stats()).toMatchObject({ maxInFlight: 1, requests: 40 })
  })

  test(
    'one is killed, one stopped for longer than its leases, one asked to end: nothing is lost, nothing doubled',
    { timeout: 120_000 },
    async () => {
      const { simulator, server, workers } = await openFleet(await fresh(), 4, ['--max-in-flight', '16'])
      const lines = linesOf(times(3000))
      const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
      await follow(server, id, ({ request_counts }) => request_counts.completed > 100)
      const [killed, stopped, leaving] = workers
      killed?.signal('SIGKILL')
      stopped?.signal('SIGSTOP')
      leaving?.signal('SIGTERM')
      expect((await leaving?.ended)?.code, leaving?.err()).toBe(0)
      await pause(4500)
      stopped?.signal('SIGCONT')
      const batch = await followToEnd(server, id, 90_000)
      expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: 3000 } })
      await readResults(server, batch, lines.customIds)
      expect(simulator.stats().requests, 'only what the two had in flight or not saved may be sent again').toBeLessThanOrEqual(
        3000 + 2 * 16 + 2 * 1000,
      )
    },
  )

  test('one that joins has its part within seconds', { timeout: 90_000 }, async () => {
    const database = await fresh()
    const { server, work } = await openFleet(database, 1, ['--max-in-flight', '8'])
    const lines = linesOf(times(2000))
    const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
    await follow(server, id, ({ request_counts }) => request_counts.completed > 50)
    const late = await work()
    onTestFinished(() => late[Symbol.asyncDispose]())
    await poll(ownersOf(database), (owners) => owners.length === 2, 'both hold shards', 5000)
    await readResults(server, await followToEnd(server, id, 60_000), lines.customIds)
  })
})

const programs = await findPrograms()

test.runIf(shared && programs)(
  'PostgreSQL is killed and comes back: the API answers 503 meanwhile, and batches go on',
  { timeout: 120_000 },
  async () => {
    const postgres = await startPostgres(programs ?? '', [])
    onTestFinished(() => postgres.stop())
    const { server } = await openFleet(postgres.url, 2, [])
    const lines = linesOf(times(4000))
    const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
    await follow(server, id, ({ request_counts }) => request_counts.completed > 200)
    await postgres.kill('SIGKILL')
    const away = await poll(
      async () => {
        const { status, headers } = await fetch(`${server.baseUrl}/v1/batches/${id}`, {
          headers: { authorization: `Bearer ${server.key}` },
        })
        return { status, retryAfter: headers.get('retry-after') }
      },
      ({ status }) => status !== 200,
      'the API says that the database is away',
    )
    expect(away).toEqual({ status: 503, retryAfter: expect.stringMatching(/^\d+$/) as string })
    await pause(1500)
    await postgres.start()
    const batch = await poll(
      async () => {
        const response = await fetch(`${server.baseUrl}/v1/batches/${id}`, { headers: { authorization: `Bearer ${server.key}` } })
        return (await response.json()) as Awaited<ReturnType<typeof followToEnd>>
      },
      (seen) => seen.status === 'completed',
      'it is completed',
      90_000,
    )
    await readResults(server, batch, lines.customIds)
  },
)
