/** `serve --workers N`: processes of their own on one machine, over the embedded database. */
import { getPriority } from 'node:os'
import { expect, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { follow, followToEnd, poll } from '../conformance/follow.ts'
import { linesOf, model, times } from '../conformance/lines.ts'
import { readResults } from '../conformance/results.ts'
import { create, upload } from '../conformance/wire.ts'
import { openFolder, serve } from '../cli/program.ts'
import { isAlive, untilGone, workersOf } from './processes.ts'

const simulated = { models: [model], firstTokenMs: 25, tokenMs: 0 }
const flags = ['--workers', '3', '--max-in-flight', '7']

test('workers share a batch within the ceiling of its backend; one that dies is started again, and its lines go on at once', async () => {
  await using folder = await openFolder()
  await using simulator = await startSimulator(simulated)
  await using server = await serve(folder.in('data'), simulator.url, { flags })
  const lines = linesOf(times(1000))
  const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
  await follow(server, id, ({ request_counts }) => request_counts.completed > 100)
  expect(simulator.stats().maxInFlight).toBeLessThanOrEqual(7)
  const before = await workersOf(server.pid)
  expect(before).toHaveLength(3)
  expect(before.map(getPriority), 'the server goes first').toEqual(times(3).map(() => getPriority(server.pid) + 10))
  process.kill(before[1] ?? 0, 'SIGKILL')
  const batch = await followToEnd(server, id)
  expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: 1000 } })
  await readResults(server, batch, lines.customIds)
  expect(simulator.stats().maxInFlight).toBeLessThanOrEqual(7 * 2)
  const after = await poll(
    () => workersOf(server.pid),
    (pids) => pids.length === 3,
    'the dead one is started again',
  )
  expect(after.filter((pid) => before.includes(pid))).toHaveLength(2)
  const metrics = await (await fetch(`${server.baseUrl}/metrics`)).text()
  expect(metrics).toMatch(/^nightshift_shards_total\{event="done"\} [1-9]/m)
  expect((await fetch(`${server.baseUrl}/readyz`)).status).toBe(200)
})

test('asked to end all of them end; when the server is killed they end too, and the next start goes on', async () => {
  await using folder = await openFolder()
  await using simulator = await startSimulator(simulated)
  const lines = linesOf(times(600))
  let id = ''
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await using server = await serve(folder.in('data'), simulator.url, { flags })
    if (id === '') id = (await create(server, { input_file_id: (await upload(server, lines.text)).id })).id
    const workers = await poll(
      () => workersOf(server.pid),
      (pids) => pids.length === 3,
      'all work',
    )
    const { completed } = (await follow(server, id, () => true)).at(-1)!.request_counts
    await follow(server, id, ({ request_counts }) => request_counts.completed > completed + 50)
    server.signal(signal)
    const { code } = await server.ended
    if (signal === 'SIGTERM') expect([code, workers.filter(isAlive)], server.err()).toEqual([0, []])
    else await untilGone(workers)
  }
  await using server = await serve(folder.in('data'), simulator.url, { flags })
  const batch = await followToEnd(server, id)
  expect(batch.status).toBe('completed')
  await readResults(server, batch, lines.customIds)
})
