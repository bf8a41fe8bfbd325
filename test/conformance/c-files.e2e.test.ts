import OpenAI from 'openai'
import { expect } from 'vitest'
import { followToEnd, poll } from './follow.ts'
import { linesOf, threeLines, times } from './lines.ts'
import { readResults } from './results.ts'
import { test, hasScript, hasSecondKey } from './subject.ts'
import { call, create, expectRefused, getContent, getFile, listFiles, tryUpload, upload, type Door } from './wire.ts'

test('28: a file can be read at once after its upload, and is processed', async ({ subject }) => {
  const file = await upload(subject, threeLines().text)
  const seen = await getFile(subject, file.id)
  expect(seen).toEqual({ ...file, status: 'processed' })
  const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: subject.key })
  expect((await client.files.waitForProcessing(file.id, { pollInterval: 60_000, maxWait: 1000 })).status).toBe('processed')
})

test('29: the content is byte for byte what was uploaded, as an attachment', async ({ subject }) => {
  const text = `${threeLines().text}{"custom_id":"ü","x":1e5}\r\n`
  const file = await upload(subject, text, { filename: 'namé "1".jsonl' })
  const answer = await call(subject, 'GET', `/v1/files/${file.id}/content`)
  expect(answer.text).toBe(text)
  expect(answer.headers.get('content-type')).toBe('application/octet-stream')
  expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="/)
})

test('29: HEAD tells how long the content is', async ({ subject }) => {
  const { text } = threeLines()
  const { id } = await upload(subject, text)
  const answer = await call(subject, 'HEAD', `/v1/files/${id}/content`, { headers: { range: 'bytes=0-3' } })
  expect([answer.status, answer.headers.get('content-length'), answer.text]).toEqual([200, String(Buffer.byteLength(text)), ''])
})

test('29: a range of the content is 206', async ({ subject }) => {
  const { text } = threeLines()
  const file = await upload(subject, text)
  const answer = await call(subject, 'GET', `/v1/files/${file.id}/content`, { headers: { range: 'bytes=5-14' } })
  expect(answer.status).toBe(206)
  expect(answer.text).toBe(text.slice(5, 15))
  expect(answer.headers.get('content-range')).toBe(`bytes 5-14/${file.bytes}`)
})

test('30: the content of an output: named after its batch, every line parses, ends with a newline', async ({ subject }) => {
  const lines = threeLines()
  const file = await upload(subject, lines.text)
  const batch = await followToEnd(subject, (await create(subject, { input_file_id: file.id })).id)
  await readResults(subject, batch, lines.customIds)
  const answer = await call(subject, 'GET', `/v1/files/${batch.output_file_id}/content`)
  expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${batch.id}_output.jsonl"`)
  expect((await getFile(subject, batch.output_file_id ?? '')).bytes).toBe(Buffer.byteLength(answer.text))
})

const expectNoFile = async (door: Door, method: string, id: string, rest = '') =>
  expectRefused(await call(door, method, `/v1/files/${id}${rest}`), 404, {
    type: 'invalid_request_error',
    param: 'id',
    code: null,
    message: `No such File object: ${id}`,
  })

test('31: an unknown file: 404 that names it', async ({ subject }) => {
  await expectNoFile(subject, 'GET', 'file-doesnotexist')
})

test('32: the same for its content and for DELETE', async ({ subject }) => {
  await expectNoFile(subject, 'GET', 'file-doesnotexist', '/content')
  await expectNoFile(subject, 'DELETE', 'file-doesnotexist')
})

test('33: DELETE with an empty JSON body, then the file is gone', async ({ subject }) => {
  const { id } = await upload(subject, threeLines().text)
  const answer = await call(subject, 'DELETE', `/v1/files/${id}`, { headers: { 'content-type': 'application/json' } })
  expect(answer.status, answer.text).toBe(200)
  expect(answer.json).toEqual({ id, object: 'file', deleted: true })
  await expectNoFile(subject, 'GET', id)
  await expectNoFile(subject, 'GET', id, '/content')
  await expectNoFile(subject, 'DELETE', id)
  expect((await listFiles(subject)).data.map((file) => file.id)).not.toContain(id)
})

test('34: a list of one purpose has only that purpose', async ({ subject }) => {
  const mine = await upload(subject, threeLines().text)
  const other = await upload(subject, 'hello', { filename: 'a.txt', purpose: 'user_data' })
  const page = await listFiles(subject, '?purpose=batch')
  expect(Object.keys(page).toSorted()).toEqual(['data', 'first_id', 'has_more', 'last_id', 'object'])
  expect(page.object).toBe('list')
  expect(new Set(page.data.map((file) => file.purpose))).toEqual(new Set(['batch']))
  const ids = page.data.map((file) => file.id)
  expect(ids).toContain(mine.id)
  expect(ids).not.toContain(other.id)
  expect([page.first_id, page.last_id]).toEqual([ids[0], ids.at(-1)])
})

test('35: newest first unless asked for the oldest', async ({ subject }) => {
  const first = await upload(subject, threeLines().text)
  const second = await upload(subject, threeLines().text)
  const idsOf = async (query: string) => (await listFiles(subject, query)).data.map((file) => file.id)
  const newest = await idsOf('')
  expect(newest.indexOf(second.id)).toBeLessThan(newest.indexOf(first.id))
  expect(await idsOf('?order=desc')).toEqual(newest)
  expect(await idsOf('?order=asc')).toEqual(newest.toReversed())
  expectRefused(await call(subject, 'GET', '/v1/files?order=upwards'), 400, { param: 'order' })
})

test('36: a client walks 5 files in pages of 2 with 3 calls', async ({ subject }) => {
  const before = await upload(subject, threeLines().text)
  const ids: string[] = []
  for (let i = 0; i < 5; i++) ids.push((await upload(subject, threeLines().text)).id)
  let calls = 0
  const counted: typeof fetch = (...asked) => (calls++, fetch(...asked))
  const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: subject.key, fetch: counted })
  const walked: string[] = []
  for await (const file of client.files.list({ limit: 2, order: 'asc', after: before.id })) walked.push(file.id)
  expect(walked).toEqual(ids)
  expect(calls).toBe(3)
})

test.for(['0', '10001', '-1', 'abc', '1.5'])('37: a limit of %s is refused', async (limit, { subject }) => {
  expectRefused(await call(subject, 'GET', `/v1/files?limit=${limit}`), 400, { param: 'limit' })
})

test.skipIf(!hasScript)('38: deleting the input while its batch runs does not hurt the batch', async ({ subject }) => {
  const lines = linesOf(times(5, `[[wait delete-input]]`))
  const file = await upload(subject, lines.text)
  const { id } = await create(subject, { input_file_id: file.id })
  await poll(
    () => subject.backend.seen(lines.mark),
    (seen) => seen.requests === 5,
    'all lines are in flight',
  )
  expect((await call(subject, 'DELETE', `/v1/files/${file.id}`)).status).toBe(200)
  await subject.backend.release('delete-input')
  const batch = await followToEnd(subject, id)
  expect(batch.status).toBe('completed')
  await readResults(subject, batch, lines.customIds)
})

test.skipIf(!hasSecondKey)('39: the file of another project is as unknown as one that does not exist', async ({ subject }) => {
  const { id } = await upload(subject, threeLines().text)
  const other = subject.other as Door
  await expectNoFile(other, 'GET', id)
  await expectNoFile(other, 'GET', id, '/content')
  await expectNoFile(other, 'DELETE', id)
  expect((await listFiles(other)).data.map((file) => file.id)).not.toContain(id)
  expect(await getContent(subject, id)).not.toBe('')
  expect((await tryUpload(other, threeLines().text)).status).toBe(200)
})
