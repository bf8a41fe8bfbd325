import OpenAI from 'openai'
import { expect } from 'vitest'
import { linesOf, times } from './lines.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { call, expectRefused, post, tryCreate, tryUpload, upload } from './wire.ts'

test.skipIf(isRemote)('231: a key has so many requests a second, and the headers say where it stands', async () => {
  await using subject = await openLocal({ requestsPerSecond: '5' })
  const { key } = await subject.newKey({})
  const door = { ...subject, key }
  const answers = await Promise.all(times(20).map(() => call(door, 'GET', '/v1/batches')))
  const good = answers.filter(({ status }) => status === 200)
  expect(good.length).toBeGreaterThanOrEqual(5)
  expect(good.length).toBeLessThan(12)
  const left = good.map(({ headers }) => Number(headers.get('x-ratelimit-remaining-requests')))
  expect(Math.max(...left)).toBe(4)
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    expectRefused(answer, 429, { code: 'rate_limit_exceeded', type: 'rate_limit_error' })
    expect(answer.headers.get('x-ratelimit-limit-requests')).toBe('5')
    expect(answer.headers.get('x-ratelimit-remaining-requests')).toBe('0')
    expect(answer.headers.get('x-ratelimit-reset-requests')).toMatch(/^(\d+ms|1(\.\d)?s)$/)
    expect(Number(answer.headers.get('retry-after-ms'))).toBeLessThanOrEqual(1000)
    expect(answer.headers.get('retry-after')).toBe('1')
  }
  const other = { ...subject, key: (await subject.newKey({})).key }
  expect((await call(other, 'GET', '/v1/batches')).status, 'another key has its own').toBe(200)
  const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: key, maxRetries: 4 })
  for (let i = 0; i < 8; i++) await client.batches.list()
})

test.skipIf(isRemote)('232: a key has so many creates and uploads an hour, of its own or as all', async () => {
  await using subject = await openLocal({ createsPerHour: '2' })
  const { id } = await upload(subject, linesOf(['']).text)
  const asked = { input_file_id: id }
  const own = { ...subject, key: (await subject.newKey({ limits: { creates_per_hour: 3, uploads_per_hour: 1 } })).key }
  const all = { ...subject, key: (await subject.newKey({})).key }
  const statuses = async (door: typeof own, count: number) => {
    const seen: number[] = []
    for (let i = 0; i < count; i++) seen.push((await tryCreate(door, asked)).status)
    return seen
  }
  expect(await statuses(own, 4)).toEqual([200, 200, 200, 429])
  expect(await statuses(all, 3)).toEqual([200, 200, 429])
  const refused = await tryCreate(all, asked)
  expectRefused(refused, 429, { code: 'rate_limit_exceeded', message: expect.stringContaining('2 an hour') as string })
  expect([refused.headers.get('retry-after'), refused.headers.get('x-should-retry')], 'no client waits so long').toEqual([
    '60',
    'false',
  ])
  expect(refused.headers.get('x-ratelimit-reset-creates')).toMatch(/^(59m\d\ds|60m0s|59m\ds)$/)
  expect((await call(all, 'GET', '/v1/batches')).status, 'reads are not bounded').toBe(200)
  expect([(await tryUpload(own, linesOf(['']).text)).status, (await tryUpload(own, linesOf(['']).text)).status]).toEqual([
    200, 429,
  ])
  await subject.advance(1_801_000)
  expect(await statuses(all, 2), 'half an hour later').toEqual([200, 429])
})

test.skipIf(isRemote)('232: the administrator of a project does not lift what the operator bounds for all', async () => {
  await using subject = await openLocal({ createsPerHour: '2' })
  const access = [{ project: subject.projectId, rights: ['project:admin'] }]
  const door = { ...subject, key: (await subject.newKey({ access })).key }
  const make = (limits: object) => post(door, '/v1/admin/keys', { name: 'k', limits })
  expectRefused(await make({ creates_per_hour: 3 }), 400, { param: 'limits.creates_per_hour' })
  expect((await make({ creates_per_hour: 2, uploads_per_hour: 1000 })).status).toBe(200)
})
