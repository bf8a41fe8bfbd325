import { readFileSync } from 'node:fs'
import { request as plainly } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { poll } from './follow.ts'
import { linesOf, times } from './lines.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { call, upload } from './wire.ts'

const tlsFile = (name: string) => join(import.meta.dirname, '../data/tls', name)
const ca = readFileSync(tlsFile('ca.pem'))
const tls = { tlsCert: tlsFile('localhost.pem'), tlsKey: tlsFile('localhost.key.pem') }

/** Status and headers of an answer over TLS, or what went wrong. */
const get = (url: string, options: RequestOptions) =>
  new Promise<{ status: number; headers: Record<string, unknown> } | string>((resolve) => {
    const sent = request(url, { ca, servername: 'localhost', agent: false, ...options }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers })
    })
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    sent.end()
  })

test.skipIf(isRemote)('241: with a certificate it speaks TLS 1.2 and newer, and nothing else', async () => {
  await using subject = await openLocal({ ...tls, headerTime: '1s' })
  expect(subject.baseUrl).toMatch(/^https:/)
  const url = `${subject.baseUrl}/v1/models`
  const headers = { authorization: `Bearer ${subject.key}` }
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    expect(await get(url, { headers, minVersion: version, maxVersion: version })).toMatchObject({
      status: 200,
      headers: { 'strict-transport-security': 'max-age=31536000' },
    })
  expect(await get(url, { headers, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })).toEqual(expect.any(String))
  expect(await get(url, { headers, ca: [] }), 'who does not know the authority does not trust it').toBe(
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  )
  const plain = await new Promise((resolve) => {
    const sent = plainly(url.replace('https:', 'http:'), { headers, agent: false }, (answer) => resolve(answer.statusCode))
    sent.on('error', () => resolve('closed'))
    sent.end()
  })
  expect(plain).toBe('closed')
  const silent = trickle(Number(new URL(url).port), null)
  expect(await Promise.race([silent.closed, pause(10_000)]), 'who does not shake hands is sent away').toBe('')
})

test('242: every answer says what browsers may do with it, and none how the server is made', async ({ subject }) => {
  const { id } = await upload(subject, linesOf(['']).text)
  const answers = await Promise.all([
    call(subject, 'GET', '/v1/batches'),
    call(subject, 'GET', `/v1/files/${id}/content`),
    call(subject, 'GET', '/v1/none'),
    call(subject, 'GET', '/%zz'),
    call(subject, 'POST', '/v1/batches', { body: '{', headers: { 'content-type': 'application/json' } }),
    call(subject, 'GET', '/v1/batches', { key: 'wrong' }),
    call(subject, 'GET', '/healthz'),
  ])
  for (const { headers, text } of answers) {
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-powered-by') ?? headers.get('server')).toBeNull()
    expect(text).not.toMatch(/node_modules|\.[jt]s:\d|at async/)
  }
})

const slowHead = `GET /v1/models HTTP/1.1\r\nhost: x\r\nx-slow: ${'a'.repeat(5000)}`

/** A connection that sends a byte of a head now and then, or of a body after `atOnce`, or the whole of `head` each time; its answer, once it is closed. */
function trickle(
  port: number,
  everyMs: number | null,
  { atOnce = '', head = slowHead, isWhole = false } = {},
): { socket: Socket; closed: Promise<string> } {
  const socket = connect(port, '127.0.0.1')
  socket.write(atOnce)
  let sent = 0
  let said = ''
  socket.on('error', () => {})
  socket.on('data', (data) => (said += data.toString()))
  const next = () => (isWhole ? head : (head[sent++] ?? 'a'))
  const timer = everyMs === null ? undefined : setInterval(() => socket.writable && socket.write(next()), everyMs)
  const closed = new Promise<string>((resolve) => socket.on('close', () => (clearInterval(timer), resolve(said))))
  onTestFinished(() => void socket.destroy())
  return { socket, closed }
}

test.skipIf(isRemote)('243: who sends the head of a request byte by byte is sent away, and nobody waits for them', async () => {
  await using subject = await openLocal({ headerTime: '2s' })
  const port = Number(new URL(subject.baseUrl).port)
  const slow = times(200).map((_, i) => trickle(port, i % 4 === 0 ? null : 100))
  const from = Date.now()
  const over = Promise.all(slow.map(({ closed }) => closed))
  let served = 0
  let isOver = false
  void over.then(() => (isOver = true))
  while (!isOver && Date.now() - from < 20_000) {
    expect((await call(subject, 'GET', '/v1/models')).status).toBe(200)
    served++
    await pause(20)
  }
  expect(isOver, 'all were sent away').toBe(true)
  expect(served).toBeGreaterThan(10)
  const answers = await over
  expect(answers.filter((text) => text.startsWith('HTTP/1.1 408 Request Timeout')).length).toBeGreaterThanOrEqual(150)
})

test.skipIf(isRemote)(
  '245: who sends a body byte by byte is sent away: without a key soon after the answer, with one when its time is over',
  async () => {
    await using subject = await openLocal({ idleTimeout: '3s' })
    const port = Number(new URL(subject.baseUrl).port)
    const slow = (path: string, key: string, more = '') =>
      trickle(port, 100, {
        atOnce: `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-length: 900000\r\n${more}\r\n`,
        head: '{',
      })
    const form = 'content-type: multipart/form-data; boundary=b\r\n'
    const steady = trickle(port, 300, {
      atOnce: `POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ns-nobody\r\ncontent-length: 900000000\r\n${form}\r\n`,
      head: 'x'.repeat(100_000),
      isWhole: true,
    })
    let isSentAway = false
    void steady.closed.then(() => (isSentAway = true))
    const from = Date.now()
    const [stranger, unknown, uploading, creating] = await Promise.all(
      [
        slow('/v1/batches', 'ns-nobody'),
        slow('/v1/files', 'ns-nobody', form),
        slow('/v1/files', subject.key, form),
        slow('/v1/batches', subject.key, 'content-type: application/json\r\n'),
      ].map(({ closed }) => closed),
    )
    expect(Date.now() - from).toBeLessThan(15_000)
    expect(stranger).toMatch(/^HTTP\/1\.1 401 /)
    expect(unknown).toMatch(/^HTTP\/1\.1 401 /)
    expect([uploading, creating]).toEqual(['', ''])
    await pause(Math.max(0, from + 8000 - Date.now()))
    expect(isSentAway, 'who sends a big file reads the answer at its end').toBe(false)
  },
)

test.skipIf(isRemote)(
  '244: connections beyond the limit are closed; those that only stand there do not keep others out for long',
  async () => {
    await using subject = await openLocal({ headerTime: '2s', maxConnections: '500' })
    const port = Number(new URL(subject.baseUrl).port)
    const idle = times(490).map(() => trickle(port, null))
    await poll(async () => idle.filter(({ socket }) => socket.connecting).length, (n) => n === 0, 'they are connected') // prettier-ignore
    expect((await call(subject, 'GET', '/v1/models')).status, 'beside those that stand there').toBe(200)
    const more = times(100).map(() => trickle(port, null))
    const closedAtOnce = await Promise.race([Promise.all(more.slice(50).map(({ closed }) => closed)), pause(1500)])
    expect(closedAtOnce, 'those beyond it').toEqual(times(50).map(() => ''))
    await Promise.all(idle.map(({ closed }) => closed))
    expect((await call(subject, 'GET', '/v1/models')).status, 'when they have been sent away').toBe(200)
  },
)
