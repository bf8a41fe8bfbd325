import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { followToEnd } from './follow.ts'
import { line, newMark } from './lines.ts'
import { readResults } from './results.ts'
import { test, hasBucket, hasScript, type Subject } from './subject.ts'
import { create, upload, type Batch, type PlanError } from './wire.ts'

/** Two good lines around a bad one, whose number is 2. */
const around = (mark: string, bad: string) => `${line('first', `${mark} a`)}\n${bad}\n${line('last', `${mark} b`)}\n`

async function end(subject: Subject, text: string, endpoint = '/v1/chat/completions'): Promise<Batch> {
  const file = await upload(subject, text)
  return followToEnd(subject, (await create(subject, { input_file_id: file.id, endpoint })).id)
}

/** What every batch that fails at its plan has in common. */
function expectFailed(batch: Batch): readonly PlanError[] {
  expect(batch, JSON.stringify(batch)).toMatchObject({
    status: 'failed',
    failed_at: expect.any(Number) as unknown,
    in_progress_at: null,
    finalizing_at: null,
    completed_at: null,
    output_file_id: null,
    error_file_id: null,
    request_counts: { total: 0, completed: 0, failed: 0 },
    errors: { object: 'list' },
  })
  const found = batch.errors?.data ?? []
  expect(found.length).toBeGreaterThan(0)
  for (const error of found) expect(Object.keys(error).toSorted()).toEqual(['code', 'line', 'message', 'param'])
  return found
}

/** The batch fails with this as its first error, and the backend has seen nothing of it. */
async function expectPlanError(subject: Subject, text: string, mark: string, error: object, endpoint?: string): Promise<void> {
  expect(expectFailed(await end(subject, text, endpoint))[0]).toMatchObject(error)
  if (hasScript) expect((await subject.backend.seen(mark)).requests).toBe(0)
}

const badLine = async (subject: Subject, make: (mark: string) => string, error: object): Promise<void> => {
  const mark = newMark()
  await expectPlanError(subject, around(mark, make(mark)), mark, { line: 2, ...error })
}

test('57: a line that is not JSON', async ({ subject }) => {
  await badLine(subject, () => '{"custom_id":', {
    code: 'invalid_json_line',
    param: null,
    message: expect.stringMatching(/^This line is not parseable as valid JSON/) as unknown,
  })
})

test.for(['custom_id', 'method', 'url', 'body'])('58: a line without %s', async (field, { subject }) => {
  await badLine(subject, (mark) => line('x', mark, { change: { [field]: undefined } }), {
    code: 'missing_required_parameter',
    param: field,
    message: `Missing required parameter: '${field}'.`,
  })
})

test('59: a chat line without messages', async ({ subject }) => {
  await badLine(subject, (mark) => line('x', mark, { body: { messages: undefined } }), {
    code: 'missing_required_parameter',
    param: 'body.messages',
  })
})

test('60: a line without a model', async ({ subject }) => {
  await badLine(subject, (mark) => line('x', mark, { body: { model: undefined } }), { param: 'body.model' })
})

test('61: a model that no backend has', async ({ subject }) => {
  const mark = newMark()
  const text = `${line('x', mark, { body: { model: 'no-such-model' } })}\n`
  await expectPlanError(subject, text, mark, {
    code: 'model_not_found',
    param: 'body.model',
    message: expect.stringMatching(/^The provided model 'no-such-model' is not supported by the Batch API/) as unknown,
  })
})

test('62: a second model', async ({ subject }) => {
  const mark = newMark()
  const text = `${line('a', mark)}\n${line('b', mark)}\n${line('c', mark, { body: { model: 'night-2' } })}\n`
  await expectPlanError(subject, text, mark, {
    code: 'mismatched_model',
    line: 3,
    message: expect.stringMatching(/does not match the rest of the batch/) as unknown,
  })
})

test('63: a custom_id that was there before, also when it is written in another way', async ({ subject }) => {
  await badLine(subject, (mark) => line('first', mark), { code: 'duplicate_custom_id', param: 'custom_id' })
  await badLine(subject, (mark) => line('x', mark).replace('"x"', String.raw`"fir\u0073t"`), { code: 'duplicate_custom_id' })
})

test('64: another method', async ({ subject }) => {
  await badLine(subject, (mark) => line('x', mark, { change: { method: 'GET' } }), {
    param: 'method',
    message: expect.stringMatching(/^Invalid value: 'GET'\. Supported values are: 'POST'/) as unknown,
  })
})

test('65: the url of another endpoint', async ({ subject }) => {
  await badLine(subject, (mark) => line('x', mark, { change: { url: '/v1/embeddings' } }), { code: 'invalid_url', param: 'url' })
})

test('66: stream: true', async ({ subject }) => {
  await badLine(subject, (mark) => line('x', mark, { body: { stream: true } }), {
    code: 'streaming_unsupported',
    param: 'body.stream',
  })
})

test.for(['[]', '"x"', 'null', '123', 'true'])('67: a line that is %s', async (bad, { subject }) => {
  await badLine(subject, () => bad, { code: 'invalid_json_line' })
})

test.skipIf(!hasBucket)('68: an object of blank lines only', async ({ subject }) => {
  const name = `blank-${newMark()}.jsonl`
  await writeFile(join(subject.bucket?.folder ?? '', name), '\n\r\n  \n\n')
  const { id } = await create(subject, { input_file_id: `s3://${subject.bucket?.name}/${name}` })
  expect(expectFailed(await followToEnd(subject, id))[0]).toMatchObject({ code: 'empty_file', param: null })
})

test('69: more than 50,000 lines', { timeout: 60_000 }, async ({ subject }) => {
  const mark = newMark()
  const text = Array.from({ length: 50_001 }, (_, i) => line(`l${i}`, mark)).join('\n')
  await expectPlanError(subject, text, mark, { code: 'too_many_tasks' })
})

test('70: more than 50,000 embedding inputs in one file', async ({ subject }) => {
  const mark = newMark()
  const input = Array.from({ length: 25_001 }, () => mark)
  const text = ['a', 'b'].map((id) => `${line(id, mark, { url: '/v1/embeddings', body: { input } })}\n`).join('')
  expectFailed(await end(subject, text, '/v1/embeddings'))
})

test('71: of 500 bad lines 100 are listed, in order, and the last says how many more there are', async ({ subject }) => {
  const text = `${line('a', 'x')}\n${Array.from({ length: 500 }, () => '{').join('\n')}\n`
  const found = expectFailed(await end(subject, text))
  expect(found).toHaveLength(100)
  const numbers = found.map((error) => error.line).filter((n) => n !== null)
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  expect(numbers[0]).toBe(2)
  expect(found.at(-1)?.message).toMatch(/\b40[01]\b/)
})

test('72: BOM, CRLF, blank lines and a missing last newline are taken', async ({ subject }) => {
  const mark = newMark()
  const text = `\uFEFF${line('a', mark)}\r\n\r\n${line('b', mark)}\r\n   \n${line('c', mark)}`
  const batch = await end(subject, text)
  expect(batch.status, JSON.stringify(batch.errors)).toBe('completed')
  await readResults(subject, batch, ['a', 'b', 'c'])
})

test('72: line numbers count physical lines', async ({ subject }) => {
  const mark = newMark()
  const text = `\uFEFF${line('a', mark)}\r\n\r\n\n{"custom_id":\r\n`
  await expectPlanError(subject, text, mark, { code: 'invalid_json_line', line: 4 })
})

test('72: bytes that are not UTF-8 are an error of their line', async ({ subject }) => {
  const mark = newMark()
  const bytes = Buffer.concat([Buffer.from(`${line('a', mark)}\n`), Buffer.from(line('b', 'x#y')), Buffer.from('\n')])
  bytes[bytes.indexOf('#')] = 0xff
  const file = await upload(subject, bytes)
  const batch = await followToEnd(subject, (await create(subject, { input_file_id: file.id })).id)
  expect(expectFailed(batch)[0]).toMatchObject({ code: 'invalid_json_line', line: 2 })
})

test('73: custom_ids come back byte for byte as they were written', async ({ subject }) => {
  const mark = newMark()
  const written = [
    String.raw`"\u00e9t\u00E9 \"quoted\" \/ \\"`,
    '"日本語 🌙"',
    String.raw`"\ud83c\udf19 \ud800"`,
    `"${'x'.repeat(512)}"`,
    '"a,b;c\\td"',
  ]
  const text = written.map((id, i) => `${line('@', `${mark} ${i}`).replace('"@"', () => id)}\n`).join('')
  const batch = await end(subject, text)
  expect(batch.status, JSON.stringify(batch.errors)).toBe('completed')
  const { output } = await readResults(
    subject,
    batch,
    written.map((id) => JSON.parse(id) as string),
  )
  for (const id of written) expect(output.some(({ raw }) => raw.includes(`"custom_id":${id},`))).toBe(true)
})

test.for([
  ['of 513 characters', 'x'.repeat(513), 'string_above_max_length'],
  ['that is empty', '', 'empty_value'],
  ['that is a number', 7, 'invalid_type'],
] as const)('73: a custom_id %s is refused', async ([, custom_id, code], { subject }) => {
  await badLine(subject, (mark) => line('x', mark, { change: { custom_id } }), { code, param: 'custom_id' })
})
