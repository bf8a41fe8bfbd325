import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { follow, followToEnd } from '../conformance/follow.ts'
import { linesOf, times } from '../conformance/lines.ts'
import { readResults } from '../conformance/results.ts'
import { controlOf, startScriptedBackend } from '../conformance/scripted-backend.ts'
import { create, upload } from '../conformance/wire.ts'
import { startProcess } from './process.ts'

const leases = ['--lease', '3s', '--lease-renew', '1s']

test.for([0, 100, 250])(
  'a server that is stopped for longer than its leases goes on, and each line is in one result (%i ms after the first results)',
  { timeout: 60_000 },
  async (laterMs) => {
    await using backend = await startScriptedBackend()
    await using server = await startProcess({ backend: backend.url, flags: leases })
    const lines = linesOf(times(2000, '[[slow 30]]'))
    const file = await upload(server, lines.text)
    const { id } = await create(server, { input_file_id: file.id })
    await follow(server, id, ({ request_counts }) => request_counts.completed > 0)
    await pause(laterMs)
    server.signal('SIGSTOP')
    await expect(startProcess({ backend: backend.url, data: server.data })).rejects.toThrow(`process ${server.pid}`)
    await pause(4000)
    server.signal('SIGCONT')
    const batch = await followToEnd(server, id)
    expect(batch.status).toBe('completed')
    await readResults(server, batch, lines.customIds)
    const { requests } = await controlOf(backend.url).seen(lines.mark)
    expect(requests, 'only what was in flight may have been sent again').toBeLessThanOrEqual(2000 + 64)
  },
)

test(
  'a server that is asked to end gives back what it holds, ends with 0, and another goes on',
  { timeout: 60_000 },
  async () => {
    await using backend = await startScriptedBackend()
    await using server = await startProcess({ backend: backend.url })
    const lines = linesOf(times(1500, '[[slow 40]]'))
    const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
    await follow(server, id, ({ request_counts }) => request_counts.completed > 0)
    expect(await server.stop()).toBe(0)
    await server.start()
    const batch = await followToEnd(server, id)
    await readResults(server, batch, lines.customIds)
    expect((await controlOf(backend.url).seen(lines.mark)).requests, 'nothing is sent twice').toBe(1500)
  },
)
