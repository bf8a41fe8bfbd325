import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../../test/support/free-port.ts'
import { listen, openWire as connect, serveRaw, textOf } from '../../../test/support/open-wire.ts'
import { placeOf } from './route.ts'

const json = '{"ok":true}'

async function serve(handle: RequestListener): Promise<string> {
  const server = createServer(handle)
  const port = await listen(server)
  onTestFinished(() => server.closeAllConnections())
  return `http://127.0.0.1:${port}`
}

const bodyOf = async (request: IncomingMessage) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

test('a request goes out as it is, with the key and the headers of the settings', async () => {
  let seen: { path: string | undefined; headers: IncomingMessage['headers']; body: string } | undefined
  const url = await serve((request, response) => {
    void bodyOf(request).then((body) => {
      seen = { path: request.url, headers: request.headers, body }
      response.writeHead(200, { 'x-request-id': 'req-7' }).end(json)
    })
  })
  const { post } = connect(`${url}/openai/v1`, {}, { key: 'sk-1', headers: { 'X-Team': 'night', 'User-Agent': 'ours' } })
  const outcome = await post('{"model": "m",  "n": 1e400}')
  expect(outcome).toMatchObject({ kind: 'answered', status: 200, requestId: 'req-7' })
  expect(textOf(outcome)).toBe(json)
  expect(seen).toMatchObject({ path: '/openai/v1/chat/completions', body: '{"model": "m",  "n": 1e400}' })
  expect(seen?.headers).toMatchObject({
    authorization: 'Bearer sk-1',
    'x-team': 'night',
    'user-agent': 'ours',
    'content-type': 'application/json',
    'accept-encoding': 'identity',
  })
})

test('an address is taken with or without /v1, with or without a path', () => {
  expect(placeOf('http://h:1/')).toEqual({ origin: 'http://h:1', prefix: '' })
  expect(placeOf('http://h:1/v1')).toEqual({ origin: 'http://h:1', prefix: '' })
  expect(placeOf('https://h/openai/v1/')).toEqual({ origin: 'https://h', prefix: '/openai' })
})

test.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
] as const)('an answer in %s is unpacked, though it was not asked for', async (encoding, pack) => {
  const url = await serve((_, response) => response.writeHead(200, { 'content-encoding': encoding }).end(pack(json)))
  expect(textOf(await connect(url).post())).toBe(json)
})

test('a small answer that unpacks to a huge one is too large', async () => {
  const url = await serve((_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(5_000_000))),
  )
  expect(await connect(url).post()).toEqual({ kind: 'too-large', limitBytes: 1_000_000 })
})

test('an answer without end is cut off, and its connection closed', async () => {
  let closed: Promise<unknown> | undefined
  const flood = (response: ServerResponse) => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, 32)));
    if (!response.destroyed) response.once('drain', () => flood(response))
  }
  const url = await serve((_, response) => {
    closed = once(response, 'close')
    flood(response.writeHead(200))
  })
  expect(await connect(url).post()).toEqual({ kind: 'too-large', limitBytes: 1_000_000 })
  await closed
})

test('Retry-After is read in both forms', async () => {
  const soon = new Date(Date.now() + 60_000).toUTCString()
  let n = 0
  const url = await serve((_, response) => response.writeHead(429, { 'retry-after': n++ === 0 ? '7' : soon }).end())
  const { post } = connect(url)
  expect(await post()).toMatchObject({ status: 429, retryAfterMs: 7000 })
  const { retryAfterMs } = (await post()) as { retryAfterMs: number }
  expect(retryAfterMs).toBeGreaterThan(50_000)
  expect(retryAfterMs).toBeLessThanOrEqual(60_000)
})

test('nobody listens: unreachable', async () => {
  expect(await connect(`http://127.0.0.1:${await freePort()}`).post()).toMatchObject({
    kind: 'unreachable',
    message: 'ECONNREFUSED',
  })
})

test('a connection that is reset after the request is broken', async () => {
  const url = await serveRaw((socket) => socket.resetAndDestroy())
  expect(await connect(url).post()).toMatchObject({ kind: 'broken' })
})

test('a connection that ends within the answer is broken', async () => {
  const url = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"a":'))
  expect(await connect(url).post()).toMatchObject({ kind: 'broken' })
})

test('what is not HTTP is broken', async () => {
  const url = await serveRaw((socket) => socket.write('hello\r\n\r\n'))
  expect(await connect(url).post()).toMatchObject({ kind: 'broken' })
})

test('an answer that ends with its connection is whole, HTTP/1.0', async () => {
  const url = await serveRaw((socket) => socket.end(`HTTP/1.0 200 OK\r\n\r\n${json}`))
  const { post } = connect(url)
  expect([textOf(await post()), textOf(await post())]).toEqual([json, json])
})

test('no byte within its time is a time-out of the first byte, a slow body one of the answer', async () => {
  const url = await serveRaw((socket, nth) => {
    if (nth > 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{')
  })
  const { post } = connect(url, { firstByteTimeoutMs: 60, answerTimeoutMs: 120 })
  expect(await post()).toEqual({ kind: 'timeout', phase: 'first-byte' })
  expect(await post()).toEqual({ kind: 'timeout', phase: 'answer' })
})

test('headers that trickle in do not hold a call beyond the time of the answer', async () => {
  const url = await serveRaw((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n')
    const trickle = setInterval(() => socket.write('x-a: b\r\n'), 10)
    socket.on('close', () => clearInterval(trickle))
  })
  expect(await connect(url, { firstByteTimeoutMs: 60, answerTimeoutMs: 120 }).post()).toEqual({
    kind: 'timeout',
    phase: 'answer',
  })
})

const whole = `HTTP/1.1 200 OK\r\ncontent-length: ${json.length}\r\n\r\n${json}`

test('a reused connection that the other side had closed is excused once, on a fresh connection', async () => {
  const connections = new Set<Socket>()
  const url = await serveRaw((socket, nth) => {
    connections.add(socket)
    if (nth === 2) socket.resetAndDestroy()
    else socket.write(whole)
  })
  const { post } = connect(url)
  expect(textOf(await post())).toBe(json)
  expect(textOf(await post())).toBe(json)
  expect(connections.size).toBe(2)
})

test('a fresh connection that breaks has no excuse, nor has a second one', async () => {
  let requests = 0
  const url = await serveRaw((socket, nth) => {
    requests = nth
    if (nth === 1) socket.write(whole)
    else socket.resetAndDestroy()
  })
  const { post } = connect(url)
  await post()
  expect(await post()).toMatchObject({ kind: 'broken' })
  expect(requests).toBe(3)
  expect(await post()).toMatchObject({ kind: 'broken' })
  expect(requests).toBe(4)
})

test('a connection that is closed while idle is opened again, unnoticed', async () => {
  const ended: Promise<unknown>[] = []
  const url = await serveRaw((socket) => {
    ended.push(once(socket, 'close'))
    socket.end(whole)
  })
  const { post } = connect(url)
  await post()
  await ended[0]
  expect(textOf(await post())).toBe(json)
})

test('an aborted call is closed at once and not heard of again; its connection is replaced', async () => {
  const hanging: { closed: Promise<unknown> }[] = []
  let reached = () => {}
  const url = await serve((_, response) => {
    if (hanging.length > 0) return void response.end(json)
    hanging.push({ closed: once(response, 'close') })
    reached()
  })
  const { start, post, ends } = connect(url)
  const arrived = new Promise<void>((resolve) => (reached = resolve))
  const { call } = start()
  await arrived
  call.abort()
  await hanging[0]?.closed
  expect(textOf(await post())).toBe(json)
  expect(ends.has(0)).toBe(false)
})

test('a call that is aborted while its connection opens is never sent', async () => {
  let requests = 0
  const url = await serve((_, response) => {
    requests++
    response.end(json)
  })
  const { start, post, ends } = connect(url)
  start().call.abort()
  await post()
  expect([...ends.keys()]).toEqual([1])
  expect(requests).toBe(1)
})

test('GET goes beside the calls that are open, and ends when it is stopped', async () => {
  const url = await serve((request, response) => {
    if (request.method === 'GET' && request.url === '/v1/models') response.end(json)
  })
  const { wire, start } = connect(url, {}, { maxInFlight: 1 })
  start()
  expect(textOf(await wire.ask('/v1/models', new AbortController().signal))).toBe(json)
  const stop = new AbortController()
  const asked = wire.ask('/never', stop.signal)
  stop.abort()
  expect(await asked).toBeUndefined()
  expect(textOf(await wire.ask('/v1/models', new AbortController().signal))).toBe(json)
})
