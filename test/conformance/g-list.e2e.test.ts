import OpenAI from 'openai'
import { expect } from 'vitest'
import { followToEnd } from './follow.ts'
import { threeLines } from './lines.ts'
import { test, hasSecondKey, isRemote, openLocal } from './subject.ts'
import {
  allBatches,
  call,
  create,
  expectRefused,
  getBatch,
  listBatches,
  tryCreate,
  upload,
  type Batch,
  type Door,
} from './wire.ts'

/** Batches of an input that does not exist: quick to make, and they end by themselves. */
async function make(door: Door, n: number): Promise<Batch[]> {
  const made: Batch[] = []
  for (let i = 0; i < n; i++) made.push(await create(door, { input_file_id: 'file-0000000000000000000000ab' }))
  return made
}
const idsOf = (batches: readonly { id: string }[]) => batches.map(({ id }) => id)

test('91: a batch can be read right after its create, 20 times in a row', async ({ subject }) => {
  for (let i = 0; i < 20; i++) {
    const { id } = await create(subject, { input_file_id: 'file-0000000000000000000000ab' })
    expect((await getBatch(subject, id)).id).toBe(id)
  }
})

const noBatch = (id: string) => ({
  type: 'invalid_request_error',
  param: null,
  code: null,
  message: `No batch found with id '${id}'.`,
})

test.for(['batch_doesnotexist', '01900000-0000-7000-8000-000000000000'])(
  '92: an unknown batch %s: 404 that names it',
  async (id, { subject }) => {
    expectRefused(await call(subject, 'GET', `/v1/batches/${id}`), 404, noBatch(id))
  },
)

test('93: an id of another form is as unknown (D2)', async ({ subject }) => {
  expectRefused(await call(subject, 'GET', '/v1/batches/zzz'), 404, noBatch('zzz'))
  const { id } = await create(subject, { input_file_id: 'file-0000000000000000000000ab' })
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/)
  expect((await call(subject, 'GET', `/v1/batches/${id.toUpperCase()}`)).status).toBe(404)
})

test.skipIf(isRemote)('94: an empty list', async () => {
  await using subject = await openLocal()
  expect(await listBatches(subject)).toEqual({ object: 'list', data: [], first_id: null, last_id: null, has_more: false })
})

test('95: of 25 batches the list gives 20, newest first', async ({ subject }) => {
  const made = await make(subject, 25)
  const page = await listBatches(subject)
  expect(idsOf(page.data)).toEqual(idsOf(made).toReversed().slice(0, 20))
  expect(page).toMatchObject({ object: 'list', has_more: true, first_id: page.data[0]?.id, last_id: page.data[19]?.id })
})

test('96: pages of 5 walked to the end give every batch once, in the same order', async ({ subject }) => {
  await make(subject, 12)
  const walked = idsOf(await allBatches(subject, 5))
  expect(walked).toEqual(idsOf(await allBatches(subject, 100)))
  expect(new Set(walked).size).toBe(walked.length)
})

test('97: a page that is exactly full and the last says has_more false', async ({ subject }) => {
  await make(subject, 21)
  const all = idsOf(await allBatches(subject))
  const last = await listBatches(subject, `?limit=20&after=${all.at(-21)}`)
  expect(idsOf(last.data)).toEqual(all.slice(-20))
  expect(last.has_more).toBe(false)
  const beyond = await listBatches(subject, `?limit=20&after=${all.at(-1)}`)
  expect(beyond).toMatchObject({ data: [], has_more: false, first_id: null, last_id: null })
})

test('98: batches made between two pages neither repeat nor hide one', async ({ subject }) => {
  await make(subject, 6)
  const all = idsOf(await allBatches(subject))
  const first = await listBatches(subject, '?limit=3')
  await make(subject, 3)
  const second = await listBatches(subject, `?limit=3&after=${first.last_id}`)
  expect([...idsOf(first.data), ...idsOf(second.data)]).toEqual(all.slice(0, 6))
})

test('99: batches of one second stand in the order in which they were made', async ({ subject }) => {
  const made = idsOf(await make(subject, 10)).toReversed()
  for (let i = 0; i < 3; i++) expect(idsOf((await listBatches(subject, '?limit=10')).data)).toEqual(made)
})

test('100: openai-node walks 45 batches in pages of 10, and ends by itself', async ({ subject }) => {
  const before = idsOf(await allBatches(subject))
  const made = idsOf(await make(subject, 45))
  const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: subject.key })
  const walked: string[] = []
  for await (const { id } of client.batches.list({ limit: 10 })) walked.push(id)
  expect(walked).toEqual([...made.toReversed(), ...before])
})

test.for(['0', '-1', '101', 'abc', '2.5'])('101: a limit of "%s" is refused', async (limit, { subject }) => {
  expectRefused(await call(subject, 'GET', `/v1/batches?limit=${limit}`), 400, { param: 'limit' })
})

test.for(['zzz', '01900000-0000-7000-8000-000000000000'])('102: an unknown after "%s" is refused', async (after, { subject }) => {
  expectRefused(await call(subject, 'GET', `/v1/batches?after=${after}`), 400, { code: 'invalid_value', param: 'after' })
})

test.skipIf(!hasSecondKey)('103: the batch of another project is as unknown as one that does not exist', async ({ subject }) => {
  const other = subject.other as Door
  const file = await upload(subject, threeLines().text)
  const { id } = await create(subject, { input_file_id: file.id })
  const unknown = '01900000-0000-7000-8000-000000000000'
  for (const [method, rest] of [
    ['GET', ''],
    ['POST', '/cancel'],
  ] as const) {
    const refused = await call(other, method, `/v1/batches/${id}${rest}`)
    const never = await call(other, method, `/v1/batches/${unknown}${rest}`)
    expect(refused.status).toBe(404)
    expect(refused.text).toBe(never.text.replaceAll(unknown, id))
  }
  expect(idsOf(await allBatches(other))).not.toContain(id)
  expectRefused(await call(other, 'GET', `/v1/batches?after=${id}`), 400, { code: 'invalid_value', param: 'after' })
  expect((await followToEnd(subject, id)).status).toBe('completed')
})

test.skipIf(!hasSecondKey)(
  '103: the file of another project is as unknown to a create as one that does not exist',
  async ({ subject }) => {
    const other = subject.other as Door
    const file = await upload(subject, threeLines().text)
    const answer = await tryCreate(other, { input_file_id: file.id })
    expect(answer.status).toBe(200)
    const batch = await followToEnd(other, (answer.json as Batch).id)
    expect(batch).toMatchObject({
      status: 'failed',
      errors: { data: [{ code: 'invalid_request', param: 'file_id', line: null }] },
    })
  },
)

test('104: a batch in the list is the same as when it is asked for', async ({ subject }) => {
  const file = await upload(subject, threeLines().text)
  const { id } = await create(subject, { input_file_id: file.id, metadata: { a: 'b' } })
  const ended = await followToEnd(subject, id)
  const listed = (await listBatches(subject, '?limit=100')).data
  expect(listed.find((batch) => batch.id === id)).toEqual(ended)
  const refused = listed.find((batch) => batch.status === 'failed')
  if (refused) expect(await getBatch(subject, refused.id)).toEqual(refused)
})
