/** A server of buckets that takes every call and answers none: it holds up nobody else, nor a stop, and what waited for it goes on when it answers again. */
import { mkdir, writeFile } from 'node:fs/promises'
import { expect, onTestFinished, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { follow, followToEnd, poll } from '../conformance/follow.ts'
import { linesOf, model, times } from '../conformance/lines.ts'
import { readResults } from '../conformance/results.ts'
import { allBatches, create, upload, type Door } from '../conformance/wire.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { accessInFile, clientOf, findS3Program, serverNames, startS3 } from '../support/s3-server.ts'
import { openFolder, serve } from './program.ts'

const name = serverNames.find((one) => findS3Program(one) !== null)
const [toRun, toPlan] = [40, 70]
/** Below the half minute that a call to a silent server may take, which all others would wait for. */
const soonMs = 20_000

test.skipIf(name === undefined)(
  'a hundred batches of a bucket that hangs',
  async () => {
    await using s3 = await startS3(name ?? '')
    await using proxy = await startFaultProxy(s3.url)
    await using folder = await openFolder()
    await using simulator = await startSimulator({ models: [model], firstTokenMs: 2500, tokenMs: 0, slots: 1000 })
    const client = clientOf(s3)
    onTestFinished(() => client.destroy())
    const lines = linesOf(['', ''])
    for (const Bucket of ['hangs', 'well']) {
      await client.createBucket({ Bucket })
      await client.putObject({ Bucket, Key: 'in.jsonl', Body: lines.text })
    }
    await mkdir(folder.in('settings'))
    await writeFile(folder.in('settings/secret'), s3.secretAccessKey)
    const bucket = (its: string, url: string) =>
      `  - { bucket: ${its}, ${accessInFile(url, s3.accessKeyId)}, projects: [default] }\n`
    await writeFile(
      folder.in('settings/nightshift.yaml'),
      `limits: { inFlight: 200 }\ndispatch: { startInFlight: 200 }\nbuckets:\n${bucket('hangs', proxy.url)}${bucket('well', s3.url)}`,
    )
    const flags = ['--config', folder.in('settings/nightshift.yaml'), '--grace', '2s']
    const open = () => serve(folder.in('data'), simulator.url, { flags })
    const createMany = (door: Door, n: number) =>
      Promise.all(times(n).map(() => create(door, { input_file_id: 's3://hangs/in.jsonl' })))

    const server = await open()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const running = await createMany(server, toRun)
    await poll(
      async () => (await allBatches(server)).filter(({ status }) => status === 'in_progress').length,
      (n) => n === toRun,
      'all run',
    )
    proxy.faults = () => ({ kind: 'stall', after: 0 })
    await poll(
      async () => (await allBatches(server)).every(({ request_counts }) => request_counts.completed === lines.customIds.length),
      (all) => all,
      'all have run, and wait for their bucket',
    )
    const waiting = await createMany(server, toPlan)
    const file = await upload(server, lines.text)
    const well = await Promise.all(['s3://well/in.jsonl', file.id].map((input) => create(server, { input_file_id: input })))
    for (const { id } of well) expect((await followToEnd(server, id, soonMs)).status).toBe('completed')

    const askedAt = performance.now()
    server.signal('SIGTERM')
    expect((await server.ended).code).toBe(0)
    expect(performance.now() - askedAt, 'a stop').toBeLessThan(soonMs)

    proxy.faults = () => null
    await using again = await open()
    for (const { id } of [...running, ...waiting]) {
      const batch = await followToEnd(again, id, 60_000)
      expect(batch.status).toBe('completed')
      await readResults(again, batch, lines.customIds)
    }
  },
  180_000,
)

test.skipIf(name === undefined)('a stop while the store of results stands still', { timeout: 120_000 }, async () => {
  await using s3 = await startS3(name ?? '')
  await using proxy = await startFaultProxy(s3.url)
  await using folder = await openFolder()
  await using simulator = await startSimulator({ models: [model], firstTokenMs: 500, tokenMs: 0, slots: 4 })
  const client = clientOf(s3)
  onTestFinished(() => client.destroy())
  await client.createBucket({ Bucket: 'night' })
  await mkdir(folder.in('settings'))
  await writeFile(folder.in('settings/secret'), s3.secretAccessKey)
  await writeFile(
    folder.in('settings/nightshift.yaml'),
    `blobs: { bucket: night, ${accessInFile(proxy.url, s3.accessKeyId)} }\nshard: { shortBytes: 1 }\nflush: { every: 200ms }\n`,
  )
  const flags = ['--config', folder.in('settings/nightshift.yaml'), '--grace', '2s']
  const open = () => serve(folder.in('data'), simulator.url, { flags })
  const server = await open()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const lines = linesOf(times(40))
  const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
  await follow(server, id, ({ request_counts }) => request_counts.completed > 0)
  const before = proxy.seen.length
  proxy.faults = ({ method }) => (method === 'PUT' ? { kind: 'stall', after: 0 } : null)
  await poll(
    async () => proxy.seen.slice(before).some((one) => one.startsWith('PUT')),
    (put) => put,
    'results are put',
  )
  const askedAt = performance.now()
  server.signal('SIGTERM')
  expect((await server.ended).code).toBe(0)
  expect(performance.now() - askedAt, 'a stop').toBeLessThan(10_000)

  proxy.faults = () => null
  await using again = await open()
  const batch = await followToEnd(again, id, 60_000)
  expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: 40 } })
  await readResults(again, batch, lines.customIds)
})
