import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import OpenAI from 'openai'
import { expect } from 'vitest'
import { followToEnd, poll } from './follow.ts'
import { linesOf, newMark, threeLines, type Lines } from './lines.ts'
import { expectAccounted, parseResults, type Results } from './results.ts'
import { test, hasBucket, hasProjectId, hasScript, hasSecondKey, isRemote, openLocal, type Subject } from './subject.ts'
import {
  allBatches,
  call,
  create,
  expectRefused,
  getBatch,
  getContent,
  listBatches,
  post,
  tryCreate,
  type Batch,
  type Door,
} from './wire.ts'

const inBucket = ({ bucket }: Subject) => {
  if (!bucket) throw new Error('the subject has no bucket')
  return { address: (key: string) => `s3://${bucket.name}/${key}`, path: (key: string) => join(bucket.folder, key) }
}

/** Puts an object into the bucket's folder, as somebody would who mounts it. */
async function putObject(subject: Subject, key: string, text: string): Promise<string> {
  const { address, path } = inBucket(subject)
  await mkdir(dirname(path(key)), { recursive: true })
  await writeFile(path(key), text)
  return address(key)
}

/** Reads the result objects straight from the bucket. */
async function readObjects(subject: Subject, batch: Batch, lines: Lines): Promise<Results> {
  const read = async (address: string | null) =>
    address === null ? [] : parseResults(await readFile(inBucket(subject).path(address.replace(/^s3:\/\/[^/]+\//, '')), 'utf8'))
  const results = { output: await read(batch.output_file_id), errors: await read(batch.error_file_id) }
  expectAccounted(batch, results, lines.customIds)
  return results
}

async function runObject(subject: Subject, key: string, lines: Lines): Promise<Batch> {
  const input_file_id = await putObject(subject, key, lines.text)
  return followToEnd(subject, (await create(subject, { input_file_id })).id)
}

test.skipIf(!hasBucket || !hasProjectId)('120: with the project in the path, and an object as its input', async ({ subject }) => {
  const input_file_id = await putObject(subject, `${newMark()}/in.jsonl`, threeLines().text)
  const body = { input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' }
  const answer = await post(subject, `/${subject.projectId}/v1/batches`, body)
  expect(answer.status, answer.text).toBe(200)
  const batch = answer.json as Batch
  expect(batch.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  expect(batch.input_file_id).toBe(input_file_id)
  expect((await followToEnd(subject, batch.id)).status).toBe('completed')
  const same = await call(subject, 'GET', `/${subject.projectId}/v1/batches/${batch.id}`)
  expect(same.json).toMatchObject({ id: batch.id, status: 'completed', input_file_id })
})

test.skipIf(!hasBucket)('121: the results lie beside the input, under its name', async ({ subject }) => {
  const folder = newMark()
  const batch = await runObject(subject, `${folder}/in.jsonl`, linesOf(['', '[[400]]', '']))
  expect(batch.output_file_id).toBe(inBucket(subject).address(`${folder}/in-output.jsonl`))
  expect(batch.error_file_id).toBe(inBucket(subject).address(`${folder}/in-error.jsonl`))
  expect((await readdir(inBucket(subject).path(folder))).toSorted()).toEqual(['in-error.jsonl', 'in-output.jsonl', 'in.jsonl'])
})

test.skipIf(!hasBucket).for([
  ['in.v2.jsonl', 'in.v2-output.jsonl'],
  ['tickets.txt', 'tickets-output.jsonl'],
  ['plain', 'plain-output.jsonl'],
  ['with space + plus%20.jsonl', 'with space + plus%20-output.jsonl'],
  ['übung.jsonl', 'übung-output.jsonl'],
] as const)('121: the results of %s are named %s', async ([input, output], { subject }) => {
  const folder = newMark()
  const batch = await runObject(subject, `${folder}/${input}`, threeLines())
  expect(batch.output_file_id, JSON.stringify(batch.errors)).toBe(inBucket(subject).address(`${folder}/${output}`))
  expect((await readdir(inBucket(subject).path(folder))).toSorted()).toEqual([input, output].toSorted())
})

test.skipIf(!hasBucket)('122: the objects have the same lines as files have', async ({ subject }) => {
  const lines = linesOf(['', '[[400]]', '', '[[404]]'])
  const { output, errors } = await readObjects(subject, await runObject(subject, `${newMark()}/in.jsonl`, lines), lines)
  expect([output.length, errors.length]).toEqual([2, 2])
})

test.skipIf(!hasBucket)(
  '122: what is taken is not overwritten: both names bear the id of the batch (D6)',
  async ({ subject }) => {
    const folder = newMark()
    await putObject(subject, `${folder}/in-error.jsonl`, 'not yours\n')
    const lines = threeLines()
    const batch = await runObject(subject, `${folder}/in.jsonl`, lines)
    expect(batch.output_file_id).toBe(inBucket(subject).address(`${folder}/in-${batch.id}-output.jsonl`))
    expect(await readFile(inBucket(subject).path(`${folder}/in-error.jsonl`), 'utf8')).toBe('not yours\n')
    await readObjects(subject, batch, lines)
  },
)

test.skipIf(!hasBucket)('122: two batches over one input at once have results of their own', async ({ subject }) => {
  const lines = linesOf(['', '', '[[400]]'])
  const folder = newMark()
  const input_file_id = await putObject(subject, `${folder}/in.jsonl`, lines.text)
  const made = await Promise.all([1, 2, 3].map(() => create(subject, { input_file_id })))
  const ended = await Promise.all(made.map(({ id }) => followToEnd(subject, id)))
  expect(new Set(ended.map((batch) => batch.output_file_id)).size).toBe(3)
  expect(new Set(ended.map((batch) => batch.error_file_id)).size).toBe(3)
  for (const batch of ended) await readObjects(subject, batch, lines)
})

test('123: without a project id it is the project of the key', async ({ subject }) => {
  const { id } = await create(subject, { input_file_id: 'file-0000000000000000000000ab' })
  expect((await listBatches(subject, '?limit=100')).data.map((batch) => batch.id)).toContain(id)
})

test.skipIf(!hasSecondKey || !hasProjectId)(
  '123: a project that the key may not use, or that does not exist, is the same 403',
  async ({ subject }) => {
    const other = subject.other as Door & { projectId: string }
    const refused = await call(subject, 'GET', `/${other.projectId}/v1/batches`)
    const never = await call(subject, 'GET', '/01900000-0000-7000-8000-000000000000/v1/batches')
    expectRefused(refused, 403)
    expectRefused(never, 403)
    expect(refused.text).toBe(never.text)
    const { id } = await create(subject, { input_file_id: 'file-0000000000000000000000ab' })
    expectRefused(await call(other, 'GET', `/${other.projectId}/v1/batches/${id}`), 404)
  },
)

test.skipIf(!hasBucket)('124: an s3:// address is taken literally', async ({ subject }) => {
  const folder = newMark()
  const batch = await runObject(subject, `${folder}/a%2Fb+c?d=e#f.jsonl`, threeLines())
  expect(batch.output_file_id).toBe(inBucket(subject).address(`${folder}/a%2Fb+c?d=e#f-output.jsonl`))
})

async function expectFailedAtPlan(subject: Subject, input_file_id: string): Promise<Batch> {
  const batch = await followToEnd(subject, (await create(subject, { input_file_id })).id)
  expect(batch).toMatchObject({ status: 'failed', output_file_id: null, request_counts: { total: 0 } })
  return batch
}

test.skipIf(!hasBucket)('125: an object that is not there: the batch fails and names the bucket', async ({ subject }) => {
  const batch = await expectFailedAtPlan(subject, inBucket(subject).address(`${newMark()}.jsonl`))
  expect(batch.errors?.data[0]?.message).toContain(subject.bucket?.name)
})

test.skipIf(!hasBucket)('125: a folder in place of an object: the batch fails', async ({ subject }) => {
  const folder = newMark()
  await mkdir(inBucket(subject).path(folder))
  await expectFailedAtPlan(subject, inBucket(subject).address(folder))
})

test.skipIf(!hasBucket)('125: no path leaves the folder, by dots or by a symbolic link', async ({ subject }) => {
  const outside = await mkdtemp(join(tmpdir(), 'nightshift-outside-'))
  const lines = threeLines()
  await writeFile(join(outside, 'secret.jsonl'), lines.text)
  const inside = newMark()
  await mkdir(inBucket(subject).path(inside))
  await symlink(join(outside, 'secret.jsonl'), inBucket(subject).path(`${inside}/link.jsonl`))
  await symlink(outside, inBucket(subject).path(`${inside}/folder`))
  for (const key of [
    `${inside}/link.jsonl`,
    `${inside}/folder/secret.jsonl`,
    `${inside}/../../../${outside}/secret.jsonl`,
    `../x.jsonl`,
  ]) {
    const answer = await tryCreate(subject, { input_file_id: inBucket(subject).address(key) })
    if (answer.status === 400) continue
    expect(answer.status, answer.text).toBe(200)
    expect((await followToEnd(subject, (answer.json as Batch).id)).status, key).toBe('failed')
  }
  if (hasScript) expect((await subject.backend.seen(lines.mark)).requests).toBe(0)
  expect(await readdir(outside)).toEqual(['secret.jsonl'])
  await rm(outside, { recursive: true })
})

test('126: an address that is not granted is refused, stored nowhere and never contacted', async ({ subject }) => {
  let contacts = 0
  const listener = createServer((socket) => (contacts++, socket.destroy()))
  await once(listener.listen(0, '127.0.0.1'), 'listening')
  const { port } = listener.address() as { port: number }
  const before = (await allBatches(subject)).map(({ id }) => id)
  const addresses = [
    `http://127.0.0.1:${port}/bucket/in.jsonl`,
    `http://localhost:${port}/bucket/in.jsonl`,
    `https://bucket.localhost:${port}/in.jsonl`,
    'http://169.254.169.254/latest/meta-data',
    'https://[::1]/b/in.jsonl',
    'https://somewhere.example.com/b/in.jsonl',
    'file:///etc/passwd',
    'ftp://127.0.0.1/in.jsonl',
    's3://never-granted/in.jsonl',
    's3://',
    's3:///in.jsonl',
    'in.jsonl',
    '/etc/passwd',
    'https://user:secret@somewhere.example.com/b/in.jsonl',
  ]
  for (const input_file_id of addresses) {
    const answer = await tryCreate(subject, { input_file_id })
    expectRefused(answer, 400, { code: 'invalid_value', param: 'input_file_id' })
  }
  expect((await allBatches(subject)).map(({ id }) => id)).toEqual(before)
  expect(contacts).toBe(0)
  listener.close()
})

test.skipIf(!hasBucket)(
  '125: an object whose name leaves no room for those of its results is refused, and told so',
  async ({ subject }) => {
    for (const length of [245, 215]) {
      const name = `${newMark()}/${'n'.repeat(length)}.jsonl`
      const { id } = await create(subject, { input_file_id: await putObject(subject, name, threeLines().text) })
      const batch = await followToEnd(subject, id)
      expect(batch.status).toBe('failed')
      expect(batch.errors?.data[0]).toMatchObject({ code: 'invalid_request', message: expect.stringContaining('too long') })
    }
  },
)

test('126: what is refused is not repeated: a signature stays out of the answer', async ({ subject }) => {
  const input_file_id = 'https://somewhere.example.com/b/in.jsonl?X-Amz-Signature=abcdef0123'
  const refused = expectRefused(await tryCreate(subject, { input_file_id }), 400, {
    code: 'invalid_value',
    param: 'input_file_id',
  })
  expect(refused.message).not.toContain('abcdef0123')
})

test.skipIf(!hasSecondKey || !hasProjectId)(
  '126: a bucket of somebody else is refused in the same words as one that nobody has',
  async ({ subject }) => {
    const refused = async (bucket: string) =>
      expectRefused(await tryCreate(subject, { input_file_id: `s3://${bucket}/in.jsonl` }), 400, { param: 'input_file_id' })
    const theirs = subject.other?.projectId ?? ''
    expect((await refused(theirs)).message.replaceAll(theirs, 'nobodys')).toBe((await refused('nobodys')).message)
  },
)

test.skipIf(!hasBucket)("127: Scaleway's published poller, which knows four states, runs to the end", async ({ subject }) => {
  const input_file_id = await putObject(subject, `${newMark()}/in.jsonl`, threeLines().text)
  const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: subject.key })
  const { id } = await client.batches.create({ input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' })
  const last = await poll(
    () => client.batches.retrieve(id),
    ({ status }) => {
      expect(['validating', 'in_progress', 'completed']).toContain(status)
      return status === 'completed'
    },
    'completed',
  )
  expect(last.output_file_id).toMatch(/^s3:/)
})

test.skipIf(!hasBucket)('128: a client reads the results and the input by their address', async ({ subject }) => {
  const lines = linesOf(['', '[[400]]'])
  const key = `${newMark()}/in put.jsonl`
  const batch = await runObject(subject, key, lines)
  const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: subject.key })
  for (const address of [batch.output_file_id, batch.error_file_id, batch.input_file_id]) {
    const path = inBucket(subject).path((address ?? '').replace(/^s3:\/\/[^/]+\//, ''))
    expect(await (await client.files.content(address ?? '')).text()).toBe(await readFile(path, 'utf8'))
  }
})

test.skipIf(!hasBucket)('128: an address that cannot be read is a 404 in the envelope', async ({ subject }) => {
  const addresses = [
    inBucket(subject).address('nothing-here.jsonl'),
    's3://never-granted/in.jsonl',
    'https://somewhere.example.com/b/in.jsonl',
  ]
  for (const address of addresses) {
    const answer = await call(subject, 'GET', `/v1/files/${encodeURIComponent(address)}/content`)
    expectRefused(answer, 404)
  }
  if (subject.other) {
    const address = await putObject(subject, `${newMark()}.jsonl`, threeLines().text)
    expectRefused(await call(subject.other, 'GET', `/v1/files/${encodeURIComponent(address)}/content`), 404)
  }
})

test.skipIf(isRemote)(
  '125: a bucket that goes before the results appear: the batch waits for it and tries again; after 24 hours the results come as files',
  async () => {
    await using subject = await openLocal()
    const folder = subject.bucket?.folder ?? ''
    const lines = linesOf(['[[slow 1500]]'])
    const failures = async () => {
      const page = await (await fetch(`${subject.baseUrl}/metrics`)).text()
      return Number(/^nightshift_troubles_total\{kind="compose"\} (\d+)/m.exec(page)?.[1] ?? 0)
    }
    /** Its bucket has gone while its line runs, and its results could not be written twice. */
    const without = async (key: string): Promise<string> => {
      const before = await failures()
      const { id } = await create(subject, { input_file_id: await putObject(subject, key, lines.text) })
      const status = async () => (await getBatch(subject, id)).status
      await poll(status, (seen) => seen === 'in_progress', 'it runs')
      await rename(folder, `${folder}-elsewhere`)
      await poll(failures, (n) => n >= before + 2, 'its results cannot be written')
      expect(await status()).toBe('in_progress')
      return id
    }
    const back = await without('back.jsonl')
    await rename(`${folder}-elsewhere`, folder)
    await readObjects(subject, await followToEnd(subject, back), lines)
    const gone = await without('gone.jsonl')
    await subject.advance(24 * 3_600_000 + 60_000)
    const batch = await followToEnd(subject, gone)
    expect([batch.status, batch.error_file_id]).toEqual(['completed', null])
    expect(batch.output_file_id).toMatch(/^file-/)
    const results = { output: parseResults(await getContent(subject, batch.output_file_id ?? '')), errors: [] }
    expectAccounted(batch, results, lines.customIds)
    expect((await readdir(`${folder}-elsewhere`)).toSorted()).toEqual(['back-output.jsonl', 'back.jsonl', 'gone.jsonl'])
  },
)
