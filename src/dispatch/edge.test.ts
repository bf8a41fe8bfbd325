import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { named, scriptedFeed, statusOf } from '../../test/support/scripted-feed.ts'
import { systemClock } from '../kit/clock.ts'
import { makeDispatcher } from './dispatcher.ts'
import type { Dispatcher } from './feed.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function listen(handle: RequestListener, port = 0): Promise<{ server: Server; port: number; die(): Promise<unknown> }> {
  const server = createServer(handle).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const die = () => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    return closed
  }
  closing.push(die)
  return { server, port: (server.address() as AddressInfo).port, die }
}

function start(port: number, firstByteTimeoutMs = 20_000): Dispatcher {
  const dispatcher = makeDispatcher({
    settings: {
      backends: [{ url: `http://127.0.0.1:${port}/v1`, key: null, headers: {}, models: null, endpoints: null, maxInFlight: 16 }],
      attempts: 3,
      backoffBaseMs: 5,
      backoffMaxMs: 20,
      connectTimeoutMs: 10_000,
      firstByteTimeoutMs,
      answerTimeoutMs: 30_000,
      maxAnswerBytes: 1e6,
      startInFlight: 8,
      discoverEveryMs: 60_000,
    },
    clock: systemClock,
    random: Math.random,
    events: { attempted() {}, audioHeard() {}, backendShut() {}, backendOpen() {} },
  })
  const stop = new AbortController()
  const running = dispatcher.run(stop.signal)
  closing.push(() => {
    stop.abort()
    return running
  })
  return dispatcher
}

const bodyOf = (request: Parameters<RequestListener>[0], then: (body: string) => void) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => then(Buffer.concat(chunks).toString()))
}
const listsModels = '{"data":[{"id":"m"}]}'

test('a backend dies with all its connections and comes back: every line has its answer, no attempt is burnt', async () => {
  const tries = new Map<string, number>()
  let dying: (() => void) | undefined
  const handle: RequestListener = (request, response) => {
    if (request.method === 'GET') return void response.end(listsModels)
    bodyOf(request, (body) => {
      tries.set(body, (tries.get(body) ?? 0) + 1)
      setTimeout(() => response.end('{}'), 5)
      if (tries.size === 150) dying?.()
    })
  }
  const first = await listen(handle)
  const died = new Promise<void>((resolve) => (dying = resolve)).then(() => first.die())
  const feed = scriptedFeed(named('line', 400))
  start(first.port).add(feed)
  await died
  dying = undefined
  await listen(handle, first.port)
  await feed.ended(400)
  expect(new Set([...feed.ends.values()].map(statusOf))).toEqual(new Set([200]))
  expect([...tries.values()].filter((n) => n > 1).length).toBeGreaterThan(0)
})

test('a line that hangs ends as request_timeout after its attempts, the others have their answers', async () => {
  let hung = 0
  const { port } = await listen((request, response) => {
    if (request.method === 'GET') return void response.end(listsModels)
    bodyOf(request, (body) => (body === 'hang' ? hung++ : response.end('{}')))
  })
  const feed = scriptedFeed(['hang', ...named('line', 50)])
  start(port, 1_000).add(feed)
  await feed.ended(51)
  expect(statusOf(feed.ends.get('hang'))).toBe('request_timeout')
  expect(statusOf(feed.ends.get('line7'))).toBe(200)
  expect(hung).toBe(3)
})

test('lines wait for a backend that is not there yet', async () => {
  const nobody = await listen(() => {})
  await nobody.die()
  const feed = scriptedFeed(named('line', 10))
  const dispatcher = start(nobody.port)
  dispatcher.add(feed)
  expect(dispatcher.backends()[0]?.state).toBe('closed')
  await listen((request, response) => void response.end(request.method === 'GET' ? listsModels : '{}'), nobody.port)
  await feed.ended(10)
  expect(new Set([...feed.ends.values()].map(statusOf))).toEqual(new Set([200]))
})

test('a stop closes the calls at once: the backend sees its connections close', async () => {
  const closed: Promise<unknown>[] = []
  let arrived = () => {}
  const { port } = await listen((request, response) => {
    if (request.method === 'GET') return void response.end(listsModels)
    closed.push(once(response, 'close'))
    if (closed.length === 8) arrived()
  })
  const full = new Promise<void>((resolve) => (arrived = resolve))
  const feed = scriptedFeed(named('line', 100))
  start(port).add(feed)
  await full
  feed.stop.abort()
  expect([...feed.ends.values()]).toEqual(Array.from({ length: 8 }, () => 'stopped'))
  await Promise.all(closed)
})
