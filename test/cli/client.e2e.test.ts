import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import type { SimulateOptions } from '../../src/domain/simulate-options.ts'
import { followToEnd, poll } from '../conformance/follow.ts'
import { line, linesOf, model, times } from '../conformance/lines.ts'
import { parseResults } from '../conformance/results.ts'
import { call, create, getBatch, getContent, listFiles, upload, type Batch } from '../conformance/wire.ts'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { expectFailure, openFolder, run, serve, start } from './program.ts'

const simulated: Partial<SimulateOptions> = { models: [model], firstTokenMs: 0, tokenMs: 0 }
let simulator: Awaited<ReturnType<typeof startSimulator>>
let folder: Awaited<ReturnType<typeof openFolder>>
let server: Awaited<ReturnType<typeof serve>>
beforeAll(async () => {
  simulator = await startSimulator(simulated)
  folder = await openFolder()
  server = await serve(folder.in('nightshift-data'), simulator.url)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await simulator[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

/** As a user on the server's own machine: the server is found by its data folder. */
const night = (...args: string[]) => run(args, { cwd: folder.path })
const batchOf = (text: string): Batch => JSON.parse(text) as Batch

/** A batch that has ended, made over HTTP. */
async function endedBatch(text: string): Promise<Batch> {
  const { id } = await create(server, { input_file_id: (await upload(server, text)).id })
  return followToEnd(server, id)
}

async function hangingBatch(...before: string[]): Promise<string> {
  const lines = linesOf([...before, '[[hang]]'])
  const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
  await poll(
    async () => simulator.stats().inFlight,
    (n) => n === 1,
    'a call hangs',
  )
  return id
}

test('create uploads a file, takes the endpoint from its first line, and tells the batch', async () => {
  const url = '/v1/embeddings'
  await writeFile(folder.in('e.jsonl'), linesOf(['', ''], { url }).text)
  const made = await night('create', 'e.jsonl', '--json', '--metadata', 'team=night', '--metadata', 'why=a=b')
  expect(made.code, made.err).toBe(0)
  const batch = batchOf(made.out)
  expect(batch).toMatchObject({ endpoint: url, completion_window: '24h', metadata: { team: 'night', why: 'a=b' } })
  expect((await followToEnd(server, batch.id)).status).toBe('completed')
})

test('create --watch of an object ends with 0; of one with a line that failed with 3; of one that is refused with 1', async () => {
  const bucket = folder.in('nightshift-data/buckets/default')
  const endpoint = ['--endpoint', '/v1/chat/completions', '--watch']
  await writeFile(join(bucket, 'good.jsonl'), linesOf(times(3)).text)
  await writeFile(folder.in('some.jsonl'), linesOf(['', '[[400]]']).text)
  await writeFile(folder.in('bad.jsonl'), `${line('a', 'x')}\nnonsense\n`)
  const good = await night('create', 's3://default/good.jsonl', ...endpoint)
  expect(good.code, good.err).toBe(0)
  expect(good.out).toMatch(/^\S+ {2}completed$/m)
  expect(good.out).toContain('3 completed, 0 failed, of 3')
  expect(good.out).toContain('s3://default/good-output.jsonl')
  expect(await readdir(bucket)).toContain('good-output.jsonl')
  expect(good.err, 'progress in plain lines').toMatch(/^completed: 3 of 3 lines/m)
  const some = await night('create', 'some.jsonl', '--watch', '--json')
  expect([some.code, some.err]).toEqual([3, ''])
  expect(batchOf(some.out).request_counts).toEqual({ total: 2, completed: 1, failed: 1 })
  const bad = await night('create', 'bad.jsonl', '--watch')
  expect(bad.code).toBe(1)
  expect(bad.out).toMatch(/^ +line 2: .*invalid_json_line/m)
})

test('create --dry-run tells what would come of a file, and keeps the upload only where it can be made a batch of', async () => {
  await writeFile(folder.in('fine.jsonl'), linesOf(times(3)).text)
  await writeFile(folder.in('wrong.jsonl'), `${line('a', 'x')}\nnonsense\n`)
  const uploads = async () => (await listFiles(server)).data.map(({ id }) => id)
  const before = await uploads()
  const wrong = await night('create', 'wrong.jsonl', '--dry-run')
  expect([wrong.code, wrong.err]).toEqual([1, ''])
  expect(wrong.out).toMatch(/^line 2: /m)
  const json = await night('create', 'fine.jsonl', '--dry-run', '--json')
  expect([json.code, json.err]).toEqual([0, ''])
  expect(JSON.parse(json.out)).toMatchObject({ valid: true, lines: 3 })
  const refused = await night('create', 'fine.jsonl', '--dry-run', '--endpoint', '/v1/none')
  expectFailure(refused, 1, '/v1/none')
  expect(await uploads()).toEqual(before)
  const fine = await night('create', 'fine.jsonl', '--dry-run')
  expect(fine.code, fine.err).toBe(0)
  expect(fine.out).toContain(`3 lines for ${model}`)
  const [, command = ''] = /To run it: nightshift (.*)\n/.exec(fine.err) ?? []
  const batch = await night(...command.split(' '), '--watch')
  expect(batch.out).toContain('3 completed, 0 failed, of 3')
})

test('get and list tell batches in words and as JSON', async () => {
  const first = await endedBatch(linesOf(times(2)).text)
  const second = await endedBatch(linesOf(['[[400]]']).text)
  const [words, json, listed, page, older] = await Promise.all([
    night('get', first.id),
    night('get', first.id, '--json'),
    night('list'),
    night('list', '--json', '--limit', '1'),
    night('list', '--json', '--limit', '1', '--after', second.id),
  ])
  expect([words, json, listed, page, older].map(({ code }) => code)).toEqual([0, 0, 0, 0, 0])
  expect(words.out).toContain(`${first.id}  completed`)
  expect(words.out).toContain('2 completed, 0 failed, of 2')
  expect(batchOf(json.out)).toEqual(first)
  const rows = listed.out.split('\n')
  expect(rows[0]).toMatch(/^ID +STATUS +CREATED +LINES +MODEL$/)
  expect(rows[1]).toMatch(new RegExp(`^${second.id} +completed +\\S+ \\S+ +0\\+1/1 +${model}$`))
  expect(rows[2]).toContain(first.id)
  const idsOf = (text: string) => (JSON.parse(text) as { data: Batch[] }).data.map(({ id }) => id)
  expect([idsOf(page.out), idsOf(older.out)]).toEqual([[second.id], [first.id]])
})

test('results are fetched into whole files, or to standard output, and the exit code says whether all went well', async () => {
  const good = await endedBatch(linesOf(times(3)).text)
  const some = await endedBatch(linesOf(['', '[[400]]']).text)
  const fetched = await night('results', some.id, '--json')
  expect(fetched.code, fetched.err).toBe(3)
  const files = [`${some.id}_output.jsonl`, `${some.id}_error.jsonl`]
  expect(JSON.parse(fetched.out)).toEqual({ id: some.id, status: 'completed', files })
  const kept = await Promise.all(files.map((name) => readFile(folder.in(name), 'utf8')))
  expect(kept).toEqual([await getContent(server, some.output_file_id ?? ''), await getContent(server, some.error_file_id ?? '')])
  const piped = await night('results', good.id, '--to', '-')
  expect([piped.code, piped.err]).toEqual([0, ''])
  expect(parseResults(piped.out)).toHaveLength(3)
  const names = await readdir(folder.path)
  expect(names.filter((name) => name.endsWith('.part'))).toEqual([])
  expectFailure(await night('results', good.id, '--to', 'none'), 1, 'The folder none cannot be written', '--to')
})

test('a batch that runs has no results yet; cancel ends it, watch tells so with 1, and its results can be fetched', async () => {
  const id = await hangingBatch()
  expectFailure(await night('results', id), 1, `is in_progress`, `nightshift watch ${id}`)
  const cancelled = await night('cancel', id, '--json')
  expect(cancelled.code, cancelled.err).toBe(0)
  expect(['cancelling', 'cancelled']).toContain(batchOf(cancelled.out).status)
  const watched = await night('watch', id)
  expect(watched.code, watched.err).toBe(1)
  expect(watched.out).toContain(`${id}  cancelled`)
  const fetched = await night('results', id)
  expect([fetched.code, fetched.out]).toEqual([1, `${id}_error.jsonl\n`])
  expect(parseResults(await readFile(folder.in(`${id}_error.jsonl`), 'utf8'))[0]?.error?.code).toBe('batch_cancelled')
  expectFailure(await night('cancel', (await endedBatch(linesOf(['']).text)).id), 1, /cancel/i)
})

test('results are followed to the end on standard output, each line once, and from a position on', async () => {
  const lines = linesOf(['', '[[400]]', ...times(40)])
  const id = (await create(server, { input_file_id: (await upload(server, lines.text)).id })).id
  const followed = await night('results', id, '--follow')
  expect([followed.code, followed.err]).toEqual([3, ''])
  expect(
    parseResults(followed.out)
      .map(({ custom_id }) => custom_id)
      .toSorted(),
  ).toEqual([...lines.customIds].toSorted())
})

test('who stops following is told from where to go on', async () => {
  const id = await hangingBatch('')
  await using following = start(['results', id, '--follow'], { cwd: folder.path })
  await poll(
    async () => following.out(),
    (text) => text.endsWith('\n'),
    'the first line is there',
  )
  following.signal('SIGINT')
  const { code, err } = await following.ended
  const [, after] = /nightshift results \S+ --follow(?: --after (\S+))?\n/.exec(err) ?? []
  expect(code, err).toBe(130)
  expect((await night('cancel', id)).code).toBe(0)
  await followToEnd(server, id)
  const rest = await night('results', id, ...(after === undefined ? ['--follow'] : ['--after', after]))
  expect(parseResults(rest.out).map(({ error }) => error?.code)).toEqual(['batch_cancelled'])
  expectFailure(await night('results', id, '--after', 'nonsense'), 1, /x-next-after/)
})

test('retry makes a batch of the lines that failed, or of some of them', async () => {
  const failed = await endedBatch(linesOf(['', '[[400]]', '[[422]]']).text)
  const made = await night('retry', failed.id, '--status', '422', '--json')
  expect(made.code, made.err).toBe(0)
  expect(batchOf(made.out)).toMatchObject({ metadata: { retry_of: failed.id }, input_file_id: failed.input_file_id })
  expect((await followToEnd(server, batchOf(made.out).id)).request_counts.total).toBe(1)
  const watched = await night('retry', failed.id, '--watch', '--json')
  expect([watched.code, batchOf(watched.out).request_counts.total]).toEqual([3, 2])
  expectFailure(await night('retry', (await endedBatch(linesOf(['']).text)).id), 1, /cannot be retried: it has no error file/)
  expectFailure(await night('retry', failed.id, '--status', 'bad'), 2, 'It is an HTTP status')
})

test('merged results are one file in the order of the input, each line with its request, as JSONL, CSV or Parquet', async () => {
  const lines = linesOf([...times(150), '[[400]]', ...times(150)])
  const blank = lines.text.replace('\n', '\r\n\r\n')
  const batch = await endedBatch(blank)
  const fetched = await night('results', batch.id, '--merged')
  expect([fetched.code, fetched.out, fetched.err]).toEqual([3, `${batch.id}_merged.jsonl\n`, ''])
  const text = await readFile(folder.in(`${batch.id}_merged.jsonl`), 'utf8')
  const rows = text
    .trimEnd()
    .split('\n')
    .map((row) => JSON.parse(row) as { custom_id: string; request: object; response: { status_code: number } })
  expect(rows.map(({ custom_id }) => custom_id)).toEqual(lines.customIds)
  expect(rows.map(({ request }) => request)).toEqual(
    lines.text
      .trimEnd()
      .split('\n')
      .map((one) => (JSON.parse(one) as { body: object }).body),
  )
  expect(rows.findIndex(({ response }) => response.status_code === 400)).toBe(150)
  const csv = await night('results', batch.id, '--merged', '--format', 'csv', '--to', '-')
  expect([csv.code, csv.err]).toEqual([3, ''])
  expect(csv.out.split('\r\n').slice(0, 2)).toEqual([
    expect.stringMatching(/^custom_id,status,answer,/),
    expect.stringMatching(/^line-0,200,/),
  ])
  expect(csv.out.trimEnd().split('\r\n')).toHaveLength(302)
  const parquet = await night('results', batch.id, '--merged', '--format', 'parquet')
  expect([parquet.code, parquet.out, parquet.err]).toEqual([3, `${batch.id}_merged.parquet\n`, ''])
  const file = await asyncBufferFromFile(folder.in(`${batch.id}_merged.parquet`))
  const table = await parquetReadObjects({ file, columns: ['custom_id', 'status'] })
  expect(table.map(({ custom_id }) => custom_id as string)).toEqual(lines.customIds)
  expect(table.findIndex(({ status }) => status === 400)).toBe(150)
  expect((await readdir(folder.path)).filter((name) => name.startsWith('.nightshift-merge'))).toEqual([])
})

test('a retry merges to the lines that it ran; what has no input any more cannot be merged', async () => {
  const failed = await endedBatch(linesOf(['', '[[400]]', '', '[[422]]']).text)
  const made = batchOf((await night('retry', failed.id, '--json')).out)
  await followToEnd(server, made.id)
  const merged = await night('results', made.id, '--merged', '--to', '-')
  expect(
    merged.out
      .trimEnd()
      .split('\n')
      .map((row) => (JSON.parse(row) as { custom_id: string }).custom_id),
  ).toEqual(['line-1', 'line-3'])
  await call(server, 'DELETE', `/v1/files/${failed.input_file_id}`)
  expectFailure(await night('results', failed.id, '--merged'), 1, failed.input_file_id)
  expectFailure(await night('results', failed.id, '--merged', '--format', 'xml'), 2, /csv/)
})

test('watch leaves the batch alone when the watcher is stopped', async () => {
  const id = await hangingBatch()
  await using watching = start(['watch', id], { cwd: folder.path })
  await poll(
    async () => watching.err(),
    (text) => text.includes('in_progress'),
    'it watches',
  )
  watching.signal('SIGINT')
  const { code, err } = await watching.ended
  expect([code, err.split('\n').at(-2)]).toEqual([
    130,
    `Stopped watching; the batch goes on. To see it again: nightshift watch ${id}`,
  ])
  expect((await getBatch(server, id)).status).toBe('in_progress')
  expect((await night('cancel', id)).code).toBe(0)
  await followToEnd(server, id)
})

test('what the caller got wrong is told in a sentence, by its exit code', async () => {
  const none = '00000000-0000-7000-8000-000000000000'
  await writeFile(folder.in('unsaid.jsonl'), '{"custom_id":"a"}\n')
  const ends = await Promise.all([
    night('get', none),
    night('results', none),
    night('create', 'none.jsonl'),
    night('create', 'none.jsonl', '--endpoint', '/v1/chat/completions'),
    night('create', 'unsaid.jsonl'),
    night('create', 'e.jsonl', '--metadata', 'team'),
    night('get'),
    night('list', '--url', server.baseUrl, '--key', 'ns-wrong'),
  ])
  const expected = [
    [1, 'No batch found'],
    [1, 'No batch found'],
    [2, 'none.jsonl cannot be read'],
    [2, 'none.jsonl cannot be read'],
    [2, '--endpoint /v1/chat/completions'],
    [2, "--metadata takes name=value, not 'team'"],
    [2, "missing required argument 'id'"],
    [1, /key/],
  ] as const
  for (const [i, [code, says]] of expected.entries()) expectFailure(ends[i]!, code, says)
})

test('usage tells what was used: as a table, as CSV and as JSON, and what is wrong with a date', async () => {
  const batch = await endedBatch(linesOf(['', '']).text)
  const json = await night('usage', '--json', '--by', 'model')
  expect(json.code, json.err).toBe(0)
  const [row] = (JSON.parse(json.out) as { data: { model: string; batches: number; input_tokens: number }[] }).data
  expect(row?.model).toBe(model)
  expect(row?.input_tokens).toBeGreaterThanOrEqual(batch.usage?.input_tokens ?? Infinity)
  const csv = (await night('usage', '--format', 'csv', '--by', 'model')).out.split('\r\n')
  expect(csv[0]).toBe('date,model,endpoint,api_key_id,batches,completed,failed,input,cached,output,seconds,cost')
  expect(csv[1]).toContain(`,${model},,,${row?.batches},`)
  const text = await night('usage')
  expect(text.out).toMatch(/^DATE +MODEL/)
  expect(text.out).toContain(new Date().toISOString().slice(0, 10))
  const wrong = await night('usage', '--from', 'monday')
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('monday') as string])
})
