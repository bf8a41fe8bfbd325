/** What ten thousand connections cost on which nobody asks anything, and how long somebody else waits for an answer beside them. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { call } from './batch.ts'
import { startServer } from './child.ts'
import { quantile, row, type Scenario } from './table.ts'

const [connections, asks, atOnce] = [10_000, 200, 200]

async function idle(): Promise<void> {
  await using server = await startServer(['--max-connections', String(connections + 100)])
  const { hostname, port } = new URL(server.url)
  for (let i = 0; i < asks; i++) await call(server, 'GET', '/models')
  const before = server.rssBytes()
  const open: Socket[] = []
  while (open.length < connections) {
    const some = Array.from({ length: atOnce }, () => connect(Number(port), hostname))
    await Promise.all(some.map((socket) => once(socket, 'connect')))
    // NOTE: kept alive after an answer: before a first head they would be closed after 20 s
    for (const socket of some) socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
    await Promise.all(some.map((socket) => once(socket, 'data')))
    open.push(...some)
  }
  const times: number[] = []
  for (let i = 0; i < asks; i++) {
    const from = performance.now()
    await call(server, 'GET', '/models')
    times.push(performance.now() - from)
  }
  const megabytes = (server.rssBytes() - before) / 1e6
  for (const socket of open) socket.destroy()
  row(
    `${connections} idle connections`,
    `${megabytes.toFixed(0)} MB more; an answer beside them p99 ${quantile(times, 0.99).toFixed(0)} ms`,
    'served',
  )
}

export const idleScenarios: Readonly<Record<string, Scenario>> = { idle }
