import OpenAI from 'openai'
import { request } from 'undici'
import { connect } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { threeLines } from './lines.ts'
import { lockDatabase, onPostgres } from './local.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { allBatches, call, create, expectRefused, failureOf, listBatches, tryCreate, tryUpload, upload } from './wire.ts'

test('1: every answer has a request id of its own, and the client shows it', async ({ subject }) => {
  const first = await call(subject, 'GET', '/v1/batches')
  const second = await call(subject, 'GET', '/v1/batches')
  expect(first.headers.get('x-request-id')).not.toBe(second.headers.get('x-request-id'))
  const { id } = await create(subject, { input_file_id: 'file-doesnotexist' })
  const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: subject.key })
  const { data, response } = await client.batches.retrieve(id).withResponse()
  expect(data).toHaveProperty('_request_id', response.headers.get('x-request-id'))
})

test('2: without a key: 401 with the envelope', async ({ subject }) => {
  const answer = await call(subject, 'GET', '/v1/batches', { key: null })
  expectRefused(answer, 401, { type: 'invalid_request_error', param: null, code: null })
  expect(answer.headers.get('content-type')).toContain('application/json')
})

test('3: a wrong key: 401 invalid_api_key, and the key is not repeated', async ({ subject }) => {
  const error = expectRefused(await call(subject, 'GET', '/v1/batches', { key: 'sk-wrong-0123456789' }), 401, {
    code: 'invalid_api_key',
  })
  expect(error.message).not.toContain('sk-wrong-0123456789')
  expectRefused(await call(subject, 'GET', '/v1/batches', { key: null, headers: { authorization: 'Basic eDp5' } }), 401)
})

test('4: an unknown route: 404 with the envelope, never HTML', async ({ subject }) => {
  expectRefused(await call(subject, 'GET', '/v1/nope'), 404)
  expectRefused(await call(subject, 'POST', '/v1/batches/x/y/z', { body: '{}' }), 404)
})

test('4: what cannot be an id, or is no request that is known, is answered with the envelope and a request id too', async ({
  subject,
}) => {
  for (const id of ['%zz', 'x'.repeat(9000)]) expectRefused(await call(subject, 'GET', `/v1/batches/${id}`), 404)
  const { hostname, port } = new URL(subject.baseUrl)
  const raw = (head: string) =>
    new Promise<string>((resolve, reject) => {
      let said = ''
      const socket = connect(Number(port), hostname, () => socket.write(`${head}\r\nconnection: close\r\n\r\n`))
      socket.on('data', (chunk) => (said += chunk.toString()))
      socket.on('end', () => resolve(said))
      socket.on('error', reject)
    })
  const expecting = await raw(`POST /v1/batches HTTP/1.1\r\nhost: ${hostname}\r\nexpect: the-unexpected\r\ncontent-length: 0`)
  const hostless = await raw('GET /v1/batches HTTP/1.1')
  for (const [answer, status] of [
    [expecting, 417],
    [hostless, 401],
  ] as const) {
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer).toMatch(/x-request-id: req_/i)
    expect(answer).toContain('"invalid_request_error"')
  }
})

test('5: PUT /v1/batches: 404 or 405 with the envelope', async ({ subject }) => {
  const answer = await call(subject, 'PUT', '/v1/batches', { body: '{}' })
  expect([404, 405]).toContain(answer.status)
  if (answer.status === 405) expect(answer.headers.get('allow')?.split(', ')).toEqual(['GET', 'HEAD', 'POST'])
})

test('6: a body that is no JSON object: 400, and no batch', async ({ subject }) => {
  const idsOf = async () => (await listBatches(subject)).data.map(({ id }) => id)
  const before = await idsOf()
  for (const body of ['{bad', '[]', '"x"', 'null', '1', ''])
    expectRefused(await call(subject, 'POST', '/v1/batches', { body }), 400)
  expect(await idsOf()).toEqual(before)
})

test('7: what is refused says so in the envelope, without a number as its code and without a stack trace', async ({
  subject,
}) => {
  const answers = [
    await tryCreate(subject, { input_file_id: 'file-x', endpoint: '/v1/nope' }),
    await tryCreate(subject, { input_file_id: 'file-x', completion_window: '1s' }),
    await call(subject, 'GET', '/v1/batches/nope'),
    await call(subject, 'GET', '/v1/batches?limit=0'),
    await call(subject, 'GET', '/v1/files/file-nope'),
    await call(subject, 'GET', '/v1/files/%00'),
    await call(subject, 'GET', '/v1/files/%E0%A4%A'),
    await call(subject, 'DELETE', '/v1/files/file-nope'),
    await call(subject, 'POST', '/v1/files', { body: 'x', headers: { 'content-type': 'text/plain' } }),
    await call(subject, 'POST', '/v1/files', { body: 'x', headers: { 'content-type': 'multipart/form-data; boundary=b' } }),
    await tryUpload(subject, null),
  ]
  for (const answer of answers) {
    expect(answer.status, answer.text).toBeGreaterThanOrEqual(400)
    expect(answer.status, answer.text).toBeLessThan(500)
    failureOf(answer)
  }
})

test.skipIf(isRemote || onPostgres)(
  '8: while the database cannot be written, a create is answered 503 with retry-after, and afterwards it works',
  async () => {
    await using subject = await openLocal()
    const file = await upload(subject, threeLines().text)
    {
      using _ = lockDatabase(subject.data)
      const answer = await tryCreate(subject, { input_file_id: file.id })
      expectRefused(answer, 503)
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    await create(subject, { input_file_id: file.id })
    expect(await allBatches(subject)).toHaveLength(1)
  },
)

test('9: headers that the clients send are accepted', async ({ subject }) => {
  const headers = {
    'openai-organization': 'org-x',
    'openai-project': 'proj-x',
    'x-stainless-lang': 'js',
    'x-stainless-retry-count': '0',
    'x-never-heard-of': '1',
    accept: 'application/binary',
  }
  expect((await call(subject, 'GET', '/v1/batches', { headers })).status).toBe(200)
  const file = await upload(subject, threeLines().text, { headers })
  expect((await call(subject, 'GET', `/v1/files/${file.id}/content`, { headers })).status).toBe(200)
})

test('10: with Accept-Encoding: gzip the body is readable, plain or with a header that says so', async ({ subject }) => {
  const { body, headers } = await request(`${subject.baseUrl}/v1/batches`, {
    headers: { authorization: `Bearer ${subject.key}`, 'accept-encoding': 'gzip' },
  })
  const bytes = Buffer.from(await body.arrayBuffer())
  const encoding = headers['content-encoding']
  expect([undefined, 'gzip']).toContain(encoding)
  expect(JSON.parse((encoding === 'gzip' ? gunzipSync(bytes) : bytes).toString('utf8'))).toMatchObject({ object: 'list' })
})
