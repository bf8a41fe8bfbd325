import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { forwardProxy, type ForwardProxyOptions } from '../../../test/support/forward-proxy.ts'
import { freePort } from '../../../test/support/free-port.ts'
import { listen, openWire, textOf } from '../../../test/support/open-wire.ts'
import { systemClock } from '../../kit/clock.ts'
import { checkBackend } from '../check.ts'
import { readTold } from '../discovery.ts'

const pem = (name: string) => readFileSync(join(import.meta.dirname, `../../../test/data/tls/${name}.pem`), 'utf8')
const tls = { ca: pem('ca'), cert: null, key: null }
const urls = { http: 'http://backend.test:8000', https: 'https://localhost:8443' }

/** A backend that only a proxy can reach, under a name of its own. It answers with what it got. */
async function behindProxy(scheme: 'http' | 'https', options: Omit<ForwardProxyOptions, 'leads'> = {}) {
  const answer: RequestListener = (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => response.end(JSON.stringify({ path: request.url, headers: request.headers, body })))
  }
  const backend =
    scheme === 'http' ? createServer(answer) : createSecureServer({ key: pem('localhost.key'), cert: pem('localhost') }, answer)
  const port = await listen(backend)
  onTestFinished(() => backend.closeAllConnections())
  const proxy = await forwardProxy({ leads: { [new URL(urls[scheme]).host]: port }, ...options })
  return { proxy, its: { proxy: proxy.url, tls: scheme === 'https' ? tls : null }, url: urls[scheme] }
}
const asked = (wire: ReturnType<typeof openWire>['wire']) => wire.ask('/v1/models', new AbortController().signal)

test('an http backend is asked for by its whole address', async () => {
  const { proxy, its, url } = await behindProxy('http')
  const { post } = openWire(`${url}/openai`, {}, its)
  const seen = JSON.parse(textOf(await post('{"n":1}'))) as object
  expect(seen).toMatchObject({ path: '/openai/v1/chat/completions', headers: { host: 'backend.test:8000' }, body: '{"n":1}' })
  expect(proxy.seen).toEqual(['POST http://backend.test:8000/openai/v1/chat/completions host=backend.test:8000'])
})

test('an https backend is reached through a tunnel, which is used again', async () => {
  const { proxy, its, url } = await behindProxy('https')
  const { post } = openWire(url, {}, its)
  await post()
  expect(JSON.parse(textOf(await post('{"n":2}')))).toMatchObject({ headers: { host: 'localhost:8443' }, body: '{"n":2}' })
  expect(proxy.seen).toEqual(['CONNECT localhost:8443 host=localhost:8443'])
})

test('without a port a tunnel leads to 443', async () => {
  const { proxy, its } = await behindProxy('https')
  await openWire('https://backend.test', {}, its).post()
  expect(proxy.seen).toEqual(['CONNECT backend.test:443 host=backend.test:443'])
})

test.each(['http', 'https'] as const)('user and password of the address are for the proxy alone (%s)', async (scheme) => {
  const { proxy, its, url } = await behindProxy(scheme, { user: 'night:p@ss' })
  const { post } = openWire(url, {}, { ...its, proxy: `http://night:p%40ss@127.0.0.1:${proxy.port}` })
  const { headers } = JSON.parse(textOf(await post())) as { headers: Record<string, string> }
  expect(Object.keys(headers)).not.toContain('proxy-authorization')
})

test.each([
  ['http', 407, 'its proxy answers 407: it wants a user and a password'],
  ['https', 407, 'its proxy answers 407 to CONNECT: it wants a user and a password'],
  ['https', 502, 'its proxy answers 502 to CONNECT: it cannot reach the backend'],
  ['https', 403, 'its proxy answers 403 to CONNECT: it does not lead there'],
  ['https', 400, 'its proxy answers 400 to CONNECT'],
  ['http', 'end', null],
  ['https', 'end', 'its proxy cannot be reached: UND_ERR_SOCKET'],
] as const)('an %s backend behind a proxy that answers %s', async (scheme, instead, message) => {
  const { its, url } = await behindProxy(scheme, { instead })
  const { post, wire } = openWire(url, {}, its)
  const expected = message === null ? { kind: 'broken' } : { kind: 'unreachable', message }
  expect(await post()).toMatchObject(expected)
  const told = readTold((await asked(wire))!)
  expect(told).toMatchObject({ kind: 'away', ...(message !== null && { trouble: `it cannot be reached (${message})` }) })
})

test('a proxy that cannot reach an http backend answers 502 itself, as any gateway would', async () => {
  const { its } = await behindProxy('http')
  expect(await openWire('http://nowhere.test', {}, its).post()).toMatchObject({ kind: 'answered', status: 502 })
})

test.each(['http', 'https'] as const)('a proxy that is not there is named (%s)', async (scheme) => {
  const proxy = `http://127.0.0.1:${await freePort()}`
  const message = 'its proxy cannot be reached: ECONNREFUSED'
  expect(await openWire(urls[scheme], {}, { proxy }).post()).toEqual({ kind: 'unreachable', message })
})

test('a proxy that never answers is a connection that takes too long', async () => {
  const { its, url } = await behindProxy('https', { instead: 'nothing' })
  expect(await openWire(url, { connectTimeoutMs: 50 }, its).post()).toEqual({ kind: 'timeout', phase: 'connect' })
})

test('trouble with TLS within a tunnel is that of the backend', async () => {
  const { its, url } = await behindProxy('https')
  expect(await openWire(url, {}, { ...its, tls: null }).post()).toMatchObject({
    kind: 'unreachable',
    message: expect.stringMatching(/^UNABLE_TO_VERIFY_LEAF_SIGNATURE: /) as string,
  })
})

test('a call that is aborted while its tunnel opens leaves no connection behind', async () => {
  const { proxy, its, url } = await behindProxy('https', { instead: 'nothing' })
  const { start, ends } = openWire(url, { connectTimeoutMs: 50 }, its)
  const { call } = start()
  while (proxy.sockets.size === 0) await new Promise(setImmediate)
  call.abort()
  for (const socket of proxy.sockets) await new Promise((resolve) => socket.once('close', resolve))
  expect(ends.size).toBe(0)
})

test('nightshift backends check goes the same way', async () => {
  const { proxy, its, url } = await behindProxy('http', { user: 'a:b' })
  const check = (address: string) => checkBackend({ url, key: null, headers: {}, ...its, proxy: address }, systemClock)
  expect((await check(proxy.url)).told).toEqual({
    kind: 'away',
    trouble: 'it cannot be reached (its proxy answers 407: it wants a user and a password)',
  })
  expect((await check(`http://a:b@127.0.0.1:${proxy.port}`)).told.kind).toBe('there')
  expect(proxy.seen).toContain('GET http://backend.test:8000/metrics host=backend.test:8000')
})
