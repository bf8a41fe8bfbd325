import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import OpenAI, { toFile } from 'openai'
import { expect, onTestFinished } from 'vitest'
import { followToEnd, terminal } from './follow.ts'
import { linesOf, threeLines } from './lines.ts'
import { lockDatabase, onPostgres } from './local.ts'
import { findPython, whyNoPython } from './python.ts'
import { readResults } from './results.ts'
import { test, hasScript, isRemote, openLocal } from './subject.ts'
import { allBatches, create, getBatch, upload, type Batch, type Door, type File } from './wire.ts'

const run = promisify(execFile)
const python = findPython()
const script = join(import.meta.dirname, 'python/clients.py')
const noPython = python === null
if (python === null)
  console.warn(`left out: the checks with the official Python client (11, 15, 100, 106, 110, 132, 133, 135). ${whyNoPython}`)

const clientOf = ({ baseUrl, key }: Door, options: { timeout?: number; fetch?: typeof fetch } = {}) =>
  new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key, ...options })

/** Runs a scenario of clients.py on a file with this text, and gives what it saw. */
async function see<T>(door: Door, scenario: string, text = ''): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-python-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'a.jsonl')
  await writeFile(path, text)
  const { stdout } = await run(python ?? '', [script, scenario, `${door.baseUrl}/v1`, door.key, path])
  return JSON.parse(stdout) as T
}

test.skipIf(noPython)('11 + 133: the Python client runs a batch from file to results', async ({ subject }) => {
  const { text, customIds } = threeLines()
  const seen = await see<{ file: File; batch: Batch; request_id: string; custom_ids: string[]; deleted: boolean }>(
    subject,
    'sync',
    text,
  )
  expect(seen.file).toMatchObject({ object: 'file', filename: 'a.jsonl', bytes: Buffer.byteLength(text), purpose: 'batch' })
  expect(seen.batch).toMatchObject({
    status: 'completed',
    metadata: { a: 'b' },
    request_counts: { total: 3, completed: 3, failed: 0 },
  })
  expect(seen.request_id).toEqual(expect.any(String))
  expect(seen.custom_ids).toEqual(customIds)
  expect(seen.deleted).toBe(true)
})

test.skipIf(noPython)('133: the asynchronous Python client sees the same', async ({ subject }) => {
  const { text, customIds } = threeLines()
  const seen = await see<{ batch: Batch; custom_ids: string[] }>(subject, 'async', text)
  expect(seen.batch.status).toBe('completed')
  expect(seen.custom_ids).toEqual(customIds)
})

test('133: openai-node sees the same', async ({ subject }) => {
  const { text, customIds } = threeLines()
  const client = clientOf(subject)
  const file = await client.files.create({ file: await toFile(Buffer.from(text), 'a.jsonl'), purpose: 'batch' })
  const made = await client.batches.create({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' })
  await followToEnd(subject, made.id)
  const batch = await client.batches.retrieve(made.id)
  const content = await (await client.files.content(batch.output_file_id ?? '')).text()
  const ids = content.trimEnd().split('\n')
  expect(ids.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id).toSorted()).toEqual(customIds)
  expect((await client.files.delete(file.id)).deleted).toBe(true)
})

test('133: curl sees the same', async ({ subject }) => {
  const lines = threeLines()
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-curl-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'a.jsonl'), lines.text)
  const curl = async <T>(...args: string[]): Promise<T> =>
    JSON.parse((await run('curl', ['-sS', '-H', `Authorization: Bearer ${subject.key}`, ...args])).stdout) as T
  const file = await curl<File>(`${subject.baseUrl}/v1/files`, '-F', 'purpose=batch', '-F', `file=@${join(folder, 'a.jsonl')}`)
  const body = JSON.stringify({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' })
  const made = await curl<Batch>(`${subject.baseUrl}/v1/batches`, '-H', 'Content-Type: application/json', '-d', body)
  const batch = await followToEnd(subject, made.id)
  expect(await curl<Batch>(`${subject.baseUrl}/v1/batches/${made.id}`)).toEqual(batch)
  await readResults(subject, batch, lines.customIds)
})

test.skipIf(noPython)('15: the Python client sets expires_after', async ({ subject }) => {
  expect(await see(subject, 'expiry', threeLines().text)).toEqual({ lives: 3600 })
})

test.skipIf(noPython)('100: the Python client walks the list in pages of 10, and ends by itself', async ({ subject }) => {
  for (let i = 0; i < 25; i++) await create(subject, { input_file_id: 'file-0000000000000000000000ab' })
  const all = (await allBatches(subject)).map(({ id }) => id)
  expect(await see(subject, 'pages')).toEqual({ ids: all })
})

test.skipIf(noPython)('the Python client makes its own kinds of error of ours', async ({ subject }) => {
  const not = { code: null, param: null, 'has id': true }
  expect(await see(subject, 'errors')).toEqual({
    'no batch': { ...not, class: 'NotFoundError' },
    'no file': { ...not, class: 'NotFoundError', param: 'id' },
    'bad endpoint': { ...not, class: 'BadRequestError', code: 'invalid_value', param: 'endpoint' },
    'bad key': { ...not, class: 'AuthenticationError', code: 'invalid_api_key' },
  })
})

test.skipIf(noPython)('106 + 110: the Python client cancels, and does not repeat what is refused', async ({ subject }) => {
  const seen = await see<{ first: string; conflict: string; calls: number }>(subject, 'cancel', threeLines().text)
  expect(['cancelling', 'cancelled']).toContain(seen.first)
  expect(seen.conflict).toContain("Cannot cancel a batch with status 'completed'.")
  expect(seen.calls).toBe(1)
})

test.skipIf(isRemote || onPostgres)(
  '132: a create that openai-node repeats after its time-out makes one batch (D8)',
  async () => {
    await using subject = await openLocal()
    const file = await upload(subject, threeLines().text)
    const lock = lockDatabase(subject.data) // NOTE: until it ends, a create is answered to nobody
    let posts = 0
    const counted: typeof fetch = (...asked) => {
      if (++posts === 3) lock[Symbol.dispose]()
      return fetch(...asked)
    }
    const client = clientOf(subject, { timeout: 500, fetch: counted })
    const made = await client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    })
    expect(posts).toBe(3)
    expect((await allBatches(subject)).map(({ id }) => id)).toEqual([made.id])
  },
)

test.skipIf(noPython || isRemote || onPostgres)(
  '132: a create that the Python client repeats after its time-out makes one batch (D8)',
  async () => {
    await using subject = await openLocal()
    const file = await upload(subject, threeLines().text)
    const lock = lockDatabase(subject.data)
    const args = [script, 'timeout', `${subject.baseUrl}/v1`, subject.key, file.id]
    const child = spawn(python ?? '', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const said: string[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line)
      if (said.length === 3) lock[Symbol.dispose]()
    }
    expect(said.slice(0, 3)).toEqual(['POST 0', 'POST 1', 'POST 2'])
    const { id } = JSON.parse(said[3] ?? '{}') as { id: string }
    expect((await allBatches(subject)).map((batch) => batch.id)).toEqual([id])
  },
)

test.skipIf(noPython || !hasScript)(
  '135: a client that indexes response.status_code of every output line does not break',
  async ({ subject }) => {
    const seen = await see(subject, 'curator', linesOf(['', '[[400]]', '', '[[422]]']).text)
    expect(seen).toEqual({ filename: 'upload', status: 'completed', codes: [200, 200] })
  },
)

test.skipIf(!hasScript)(
  '135: no line without an answer is in an output, in whichever way the batch ended',
  async ({ subject }) => {
    const lines = linesOf(['', '[[400]]', '[[hang]]'])
    const client = clientOf(subject)
    const file = await client.files.create({ file: await toFile(Buffer.from(lines.text), 'upload'), purpose: 'batch' })
    const made = await client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    })
    const { id } = made
    while ((await getBatch(subject, id)).request_counts.failed === 0) await client.batches.retrieve(id)
    await client.batches.cancel(id)
    const batch = await followToEnd(subject, id)
    const { output } = await readResults(subject, batch, lines.customIds)
    for (const { response } of output) expect(response?.status_code).toBe(200)
  },
)

test('136: ids are of letters, digits, _ and - when the input was a file', async ({ subject }) => {
  const lines = linesOf(hasScript ? ['', '[[400]]'] : [''])
  const file = await upload(subject, lines.text)
  const batch = await followToEnd(subject, (await create(subject, { input_file_id: file.id })).id)
  expect(terminal).toContain(batch.status)
  const ids = [batch.id, batch.input_file_id, batch.output_file_id, batch.error_file_id].filter((id) => id !== null)
  expect(ids.length).toBeGreaterThanOrEqual(3)
  for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]+$/)
})
