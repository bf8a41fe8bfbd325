import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { followToEnd, poll } from './follow.ts'
import { linesOf, threeLines, times } from './lines.ts'
import { parseResults, type Result } from './results.ts'
import { test, hasBucket, hasProjectId, hasScript, hasSecondKey } from './subject.ts'
import { call, cancel, create, expectRefused, getContent, upload, type Answer, type Batch, type Door } from './wire.ts'

interface Reader {
  after: string | null
  incomplete: boolean
  lines: Result[]
}
const newReader = (): Reader => ({ after: null, incomplete: true, lines: [] })

async function ask(door: Door, id: string, query: Record<string, string> = {}, root = '/v1'): Promise<Answer> {
  const answer = await call(door, 'GET', `${root}/batches/${id}/results?${new URLSearchParams(query).toString()}`)
  if (answer.status !== 200) return answer
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
  expect(answer.headers.get('x-incomplete')).toMatch(/^(true|false)$/)
  expect(answer.headers.get('x-next-after')).toMatch(/^[\w-]+$/)
  expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(answer.text)))
  return answer
}

/** Reads one page on. */
async function readOn(door: Door, id: string, reader: Reader, maxBytes?: number): Promise<Reader> {
  const query = {
    ...(reader.after !== null && { after: reader.after }),
    ...(maxBytes !== undefined && { max_bytes: `${maxBytes}` }),
  }
  const { status, text, headers } = await ask(door, id, query)
  expect(status, text).toBe(200)
  reader.lines.push(...parseResults(text))
  reader.after = headers.get('x-next-after')
  reader.incomplete = headers.get('x-incomplete') === 'true'
  return reader
}

async function readToEnd(door: Door, id: string, reader = newReader(), maxBytes?: number): Promise<Result[]> {
  await poll(
    () => readOn(door, id, reader, maxBytes),
    ({ incomplete }) => !incomplete,
    'no more is to come',
  )
  return reader.lines
}

const raws = (lines: readonly Result[]) => lines.map(({ raw }) => raw).toSorted()

/** Every line of both files, sorted. */
async function filesOf(door: Door, batch: Batch): Promise<string[]> {
  const texts = [batch.output_file_id, batch.error_file_id].map((id) =>
    id === null ? Promise.resolve('') : getContent(door, id),
  )
  return (await Promise.all(texts)).flatMap((text) => raws(parseResults(text))).toSorted()
}

const begin = async (door: Door, text: string): Promise<string> =>
  (await create(door, { input_file_id: (await upload(door, text)).id })).id

test.skipIf(!hasScript)(
  '141: results can be read while others are in flight; each line is read once, before and after the end',
  async ({ subject }) => {
    const lines = linesOf(['', '[[400]]', '[[wait g141]]', ''])
    const id = await begin(subject, lines.text)
    const reader = newReader()
    await poll(
      () => readOn(subject, id, reader),
      (seen) => seen.lines.length === 3,
      'three lines are there',
    )
    expect(reader.incomplete).toBe(true)
    expect(reader.lines.map(({ custom_id }) => custom_id).toSorted()).toEqual(['line-0', 'line-1', 'line-3'])
    expect(reader.lines.find(({ custom_id }) => custom_id === 'line-1')?.response?.status_code).toBe(400)
    expect((await readOn(subject, id, { ...reader, lines: [] })).lines).toEqual([])
    await subject.backend.release('g141')
    const batch = await followToEnd(subject, id)
    expect((await readToEnd(subject, id, reader)).at(-1)?.custom_id).toBe('line-2')
    expect(raws(reader.lines)).toEqual(await filesOf(subject, batch))
  },
)

test('142: of a batch that has ended the results are those of its files, in pages of the size that is asked for', async ({
  subject,
}) => {
  const batch = await followToEnd(subject, await begin(subject, linesOf(['', '[[400]]', ...times(20)]).text))
  const files = await filesOf(subject, batch)
  expect(raws(await readToEnd(subject, batch.id))).toEqual(files)
  const small = newReader()
  await readOn(subject, batch.id, small, 1)
  expect([small.lines.length, small.incomplete]).toEqual([1, true])
  expect(raws(await readToEnd(subject, batch.id, small, 1000))).toEqual(files)
  expect((await readOn(subject, batch.id, { ...small, lines: [] })).lines).toEqual([])
})

test.skipIf(!hasScript)(
  '143: whoever reads while a batch is cancelled gets the lines that never ran, too',
  async ({ subject }) => {
    const lines = linesOf([...times(10), ...times(200, '[[hang]]')])
    const id = await begin(subject, lines.text)
    const reader = newReader()
    await poll(
      () => readOn(subject, id, reader),
      (seen) => seen.lines.length === 10,
      'ten lines are there',
    )
    await cancel(subject, id)
    await readToEnd(subject, id, reader)
    expect(reader.lines.map(({ custom_id }) => custom_id).toSorted()).toEqual([...lines.customIds].toSorted())
    expect(raws(reader.lines)).toEqual(await filesOf(subject, await followToEnd(subject, id)))
  },
)

test('144: of a batch that failed there are no results, and none are to come', async ({ subject }) => {
  const id = await begin(subject, '{"no":"line"}\n')
  await followToEnd(subject, id)
  expect(await readOn(subject, id, newReader())).toMatchObject({ lines: [], incomplete: false })
})

test('145: what is no position, or no size, is refused', async ({ subject }) => {
  const [id, other] = [await begin(subject, threeLines().text), await begin(subject, threeLines().text)]
  for (const batch of [id, other]) await followToEnd(subject, batch)
  const foreign = (await readOn(subject, other, newReader(), 1)).after ?? ''
  for (const after of ['', 'line-1', foreign, `${foreign}AAAA`])
    expectRefused(await ask(subject, id, { after }), 400, { param: 'after', code: 'invalid_value' })
  for (const size of ['0', '-1', 'much', '67108865'])
    expectRefused(await ask(subject, id, { max_bytes: size }), 400, { param: 'max_bytes' })
})

test('146: of an unknown batch: 404, as of the batch itself', async ({ subject }) => {
  for (const id of ['00000000-0000-7000-8000-000000000000', 'batch_1']) {
    const { message } = expectRefused(await call(subject, 'GET', `/v1/batches/${id}`), 404)
    expectRefused(await ask(subject, id), 404, { message })
  }
})

test.skipIf(!hasSecondKey)('146: of another project: the same 404', async ({ subject }) => {
  const id = await begin(subject, threeLines().text)
  await followToEnd(subject, id)
  const { after } = await readOn(subject, id, newReader(), 1)
  const { message } = expectRefused(await call(subject.other as Door, 'GET', `/v1/batches/${id}`), 404)
  expectRefused(await ask(subject.other as Door, id, { after: after ?? '' }), 404, { message })
})

test.skipIf(!hasProjectId)('146: with the project in the path', async ({ subject }) => {
  const id = await begin(subject, threeLines().text)
  await followToEnd(subject, id)
  const answer = await ask(subject, id, {}, `/${subject.projectId}/v1`)
  expect(parseResults(answer.text)).toHaveLength(3)
})

test.skipIf(!hasBucket || !hasScript)('147: of objects the same, until they are replaced: then 410', async ({ subject }) => {
  const lines = linesOf(['', '[[wait g147]]', '[[400]]'])
  const folder = join(subject.bucket?.folder ?? '', lines.mark)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'in.jsonl'), lines.text)
  const { id } = await create(subject, { input_file_id: `s3://${subject.bucket?.name}/${lines.mark}/in.jsonl` })
  const reader = newReader()
  await poll(
    () => readOn(subject, id, reader),
    (seen) => seen.lines.length === 2,
    'two lines are there',
  )
  await subject.backend.release('g147')
  const batch = await followToEnd(subject, id)
  expect(raws(await readToEnd(subject, id, reader))).toEqual(await filesOf(subject, batch))
  await writeFile(join(folder, 'in-output.jsonl'), 'something else\n')
  expectRefused(await ask(subject, id), 410, { message: expect.stringContaining('in-output.jsonl') as unknown as string })
  await rm(join(folder, 'in-output.jsonl'))
  expectRefused(await ask(subject, id), 410)
})

test('148: HEAD tells where a page would end, and nothing is read', async ({ subject }) => {
  const id = await begin(subject, threeLines().text)
  await followToEnd(subject, id)
  const answer = await call(subject, 'HEAD', `/v1/batches/${id}/results?max_bytes=1`)
  expect([answer.status, answer.text, answer.headers.get('x-incomplete')]).toEqual([200, '', 'true'])
})
