import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI, { toFile } from 'openai'
import { expect } from 'vitest'
import { bigForm, megabytes, streamForm } from './big.ts'
import { followToEnd, poll } from './follow.ts'
import { bytesUnder } from './local.ts'
import { line, threeLines } from './lines.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { cancel, create, expectRefused, getFile, listFiles, tryUpload, upload, type Door } from './wire.ts'

const clientOf = ({ baseUrl, key }: Door) => new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: key })

/** What is refused at the door leaves no file. */
async function expectNothingStored(door: Door, refused: () => Promise<unknown>): Promise<void> {
  const before = await listFiles(door, '?purpose=batch')
  await refused()
  expect(await listFiles(door, '?purpose=batch')).toEqual(before)
}

test('11: an upload as the Python client writes it: every field of a file', async ({ subject }) => {
  const { text } = threeLines()
  const file = await upload(subject, text, { filename: 'a.jsonl' })
  expect(file.id).toMatch(/^file-[A-Za-z0-9_-]+$/)
  expect(file).toMatchObject({
    object: 'file',
    bytes: Buffer.byteLength(text),
    filename: 'a.jsonl',
    purpose: 'batch',
    status_details: null,
  })
  expect(['uploaded', 'processed']).toContain(file.status)
  expect(Number.isInteger(file.created_at)).toBe(true)
})

test('12: bytes that the Python client names `upload` are taken, and a batch made from them completes', async ({ subject }) => {
  const file = await upload(subject, threeLines().text, { filename: 'upload' })
  expect(file.filename).toBe('upload')
  const { id } = await create(subject, { input_file_id: file.id })
  expect((await followToEnd(subject, id)).status).toBe('completed')
})

test('13: openai-node with a Buffer, the file part first', async ({ subject }) => {
  const { text } = threeLines()
  const file = await clientOf(subject).files.create({ file: await toFile(Buffer.from(text), 'b.jsonl'), purpose: 'batch' })
  expect(file).toMatchObject({ bytes: Buffer.byteLength(text), filename: 'b.jsonl', purpose: 'batch' })
})

test('14: openai-node with a stream, chunked and without a length', async ({ subject }) => {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-conformance-'))
  const path = join(folder, 'c.jsonl')
  const { text } = threeLines()
  await writeFile(path, text)
  const file = await clientOf(subject).files.create({ file: createReadStream(path), purpose: 'batch' })
  expect(file).toMatchObject({ bytes: Buffer.byteLength(text), filename: 'c.jsonl' })
  await rm(folder, { recursive: true })
})

test('15: expires_after sets expires_at', async ({ subject }) => {
  const file = await upload(subject, threeLines().text, { expiresAfter: { anchor: 'created_at', seconds: 3600 } })
  expect(file.expires_at).toBe(file.created_at + 3600)
  expect((await getFile(subject, file.id)).expires_at).toBe(file.expires_at)
})

test('16: without it a batch file lives 30 days', async ({ subject }) => {
  const file = await upload(subject, threeLines().text)
  expect(file.expires_at).toBe(file.created_at + 2_592_000)
})

test.for([3599, 2_592_001])('17: expires_after of %i seconds is refused, and nothing is stored', async (seconds, { subject }) => {
  await expectNothingStored(subject, async () => {
    const answer = await tryUpload(subject, threeLines().text, { expiresAfter: { anchor: 'created_at', seconds } })
    expect(expectRefused(answer, 400).param).toMatch(/expires_after/)
  })
})

test('18: without a purpose: missing_required_parameter', async ({ subject }) => {
  await expectNothingStored(subject, async () => {
    const answer = await tryUpload(subject, threeLines().text, { purpose: null })
    expectRefused(answer, 400, { code: 'missing_required_parameter', param: 'purpose' })
  })
})

test('19: an unknown purpose: invalid_value', async ({ subject }) => {
  await expectNothingStored(subject, async () => {
    const answer = await tryUpload(subject, threeLines().text, { purpose: 'nonsense' })
    expectRefused(answer, 400, { code: 'invalid_value', param: 'purpose' })
  })
})

test('20: without a file part: missing_required_parameter', async ({ subject }) => {
  expectRefused(await tryUpload(subject, null), 400, { code: 'missing_required_parameter', param: 'file' })
})

test('21: an empty file is refused', async ({ subject }) => {
  await expectNothingStored(subject, async () => {
    expectRefused(await tryUpload(subject, ''), 400, { type: 'invalid_request_error' })
  })
})

test('22: a file whose first line is not JSON is refused', async ({ subject }) => {
  await expectNothingStored(subject, async () => {
    expectRefused(await tryUpload(subject, 'custom_id,prompt\n1,hello\n'), 400, { type: 'invalid_request_error' })
  })
})

test('23: rows without `method` are taken: only the batch fails', async ({ subject }) => {
  await upload(subject, `${line('a', 'x', { change: { method: undefined } })}\n`)
})

test('24: a name that says it is something else is refused', async ({ subject }) => {
  await expectNothingStored(subject, async () => {
    const { message } = expectRefused(await tryUpload(subject, threeLines().text, { filename: 'a.pdf' }), 400)
    expect(message).toMatch(/Invalid file format for Batch API\. Must be \.jsonl/)
  })
})

test('25: a byte more than 200 MB is refused, whether the length is known or not', { timeout: 120_000 }, async ({ subject }) => {
  await expectNothingStored(subject, async () => {
    for (const chunked of [true, false]) {
      const answer = await streamForm(subject, bigForm({ bytes: 200 * megabytes + 1 }), { chunked })
      expect([400, 413], answer.text).toContain(answer.status)
      expect((JSON.parse(answer.text) as { error: { message: string } }).error.message).toMatch(/File is too large/)
    }
  })
})

test('26: 50,000 lines in 199 MB are taken', { timeout: 120_000 }, async ({ subject }) => {
  const answer = await streamForm(subject, bigForm({ bytes: 199_000_000 }), { chunked: true })
  expect(answer.status, answer.text).toBe(200)
  const { id, bytes } = JSON.parse(answer.text) as { id: string; bytes: number }
  expect(bytes).toBe(199_000_000)
  const batch = await create(subject, { input_file_id: id })
  await cancel(subject, batch.id)
  expect((await followToEnd(subject, batch.id, 60_000)).status).toBe('cancelled')
})

test.skipIf(isRemote)(
  '27: an upload that the client breaks off leaves nothing, neither in the list nor on the disk',
  async () => {
    await using subject = await openLocal()
    const before = await bytesUnder(subject.data)
    await new Promise<void>((resolve) => {
      const upload = httpRequest(`${subject.baseUrl}/v1/files`, {
        method: 'POST',
        headers: { authorization: `Bearer ${subject.key}`, 'content-type': 'multipart/form-data; boundary=b' },
      })
      upload.on('error', () => resolve())
      upload.write('--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n')
      upload.write('--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n')
      upload.write(`${line('a', 'x'.repeat(3 * megabytes))}\n`)
      upload.write(`${line('b', 'x'.repeat(3 * megabytes))}\n`, () => upload.destroy())
    })
    expect((await listFiles(subject)).data).toEqual([])
    await poll(
      () => bytesUnder(subject.data),
      (bytes) => bytes - before < megabytes,
      'the upload leaves the disk',
    )
  },
)

test.skipIf(isRemote)('27: an upload that stands still is ended, and leaves nothing', async () => {
  await using subject = await openLocal({ idleTimeout: '400ms' })
  const before = await bytesUnder(subject.data)
  const ended = await new Promise<string>((resolve) => {
    const upload = httpRequest(`${subject.baseUrl}/v1/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${subject.key}`, 'content-type': 'multipart/form-data; boundary=b' },
    })
    upload.on('response', ({ statusCode }) => resolve(`${statusCode}`))
    upload.on('error', () => resolve('closed'))
    upload.write('--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n')
    upload.write(`${line('a', 'x'.repeat(3 * megabytes))}\n`)
  })
  expect(ended).toBe('closed')
  await poll(
    () => bytesUnder(subject.data),
    (bytes) => bytes - before < megabytes,
    'the upload leaves the disk',
  )
  expect((await upload(subject, threeLines().text)).status).toBe('processed')
})

test.skipIf(isRemote)('27: a body of JSON that stands still is ended too', async () => {
  await using subject = await openLocal({ idleTimeout: '400ms' })
  const ended = await new Promise<string>((resolve) => {
    const headers = { authorization: `Bearer ${subject.key}`, 'content-type': 'application/json', 'content-length': '1000' }
    const create = httpRequest(`${subject.baseUrl}/v1/batches`, { method: 'POST', headers })
    create.on('response', ({ statusCode }) => resolve(`${statusCode}`))
    create.on('error', () => resolve('closed'))
    create.write('{"endpoint":')
  })
  expect(ended).toBe('closed')
})
