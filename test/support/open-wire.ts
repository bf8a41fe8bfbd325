import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { BackendSettings, DispatchSettings } from '../../src/dispatch/feed.ts'
import type { Call } from '../../src/dispatch/http/slot.ts'
import { makeTransport } from '../../src/dispatch/http/transport.ts'
import type { Outcome } from '../../src/domain/outcome.ts'
import { systemClock } from '../../src/kit/clock.ts'
import { dispatchSettings } from './dispatch-settings.ts'

/** Listens until the test has finished. Gives its port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  return (server.address() as AddressInfo).port
}

/** A server that gets each request whole and writes what it likes. */
export async function serveRaw(handle: (socket: Socket, nth: number, request: string) => void): Promise<string> {
  let nth = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => handle(socket, ++nth, bytes.toString()))
  })
  const port = await listen(server)
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()))
  return `http://127.0.0.1:${port}`
}

const quick = {
  connectTimeoutMs: 1000,
  firstByteTimeoutMs: 5_000,
  answerTimeoutMs: 10_000,
  maxAnswerBytes: 1_000_000,
}

/** A wire over the real transport, closed when the test has finished. */
export function openWire(url: string, more: Partial<DispatchSettings> = {}, its: Partial<BackendSettings> = {}) {
  const ends = new Map<number, Outcome[]>()
  const told = new Map<number, () => void>()
  const wire = makeTransport(dispatchSettings([], 32, { ...quick, ...more }), systemClock)<number>(
    { url, key: null, headers: {}, models: null, endpoints: null, maxInFlight: 8, ...its },
    (sent, outcome) => {
      ends.set(sent, [...(ends.get(sent) ?? []), outcome])
      told.get(sent)?.()
    },
  )
  const sweeping = setInterval(() => wire.sweep(systemClock.monotonic()), 10)
  onTestFinished(async () => {
    clearInterval(sweeping)
    await wire.close()
  })
  let n = 0
  const start = (body = '{"model":"m"}'): { call: Call; outcome: Promise<Outcome> } => {
    const id = n++
    const outcome = new Promise<Outcome>((resolve) => told.set(id, () => resolve(ends.get(id)![0]!)))
    return { call: wire.send(id, '/v1/chat/completions', Buffer.from(body)), outcome }
  }
  return { wire, ends, start, post: (body?: string) => start(body).outcome }
}

export const textOf = (outcome: Outcome | undefined): string =>
  outcome?.kind === 'answered' ? Buffer.concat(outcome.body).toString() : (outcome?.kind ?? 'aborted')
