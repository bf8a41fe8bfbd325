import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline, Readable } from 'node:stream'
import { expect } from 'vitest'
import { webServer } from '../support/web-server.ts'
import { followToEnd } from './follow.ts'
import { line, newMark } from './lines.ts'
import { readResults, type Results } from './results.ts'
import { test, hasBucket, hasScript, hasSecondKey, isRemote, openLocal, type Subject } from './subject.ts'
import { create, upload, type Batch, type Door } from './wire.ts'

const url = '/v1/audio/transcriptions'
const folder = join(import.meta.dirname, '../data/audio')
const wav = await readFile(join(folder, 'speech.wav'))
const dataOf = (bytes: Buffer, type = 'audio/wav') => `data:${type};base64,${bytes.toString('base64')}`

/** A batch with a line for each body, to its end. */
async function hear(door: Door, bodies: readonly object[]): Promise<{ batch: Batch; results: Results }> {
  const mark = newMark()
  const text = bodies.map((body, i) => `${line(`a${i}`, `${mark} ${i}`, { url, body })}\n`).join('')
  const { id } = await create(door, { input_file_id: (await upload(door, text)).id, endpoint: url })
  const batch = await followToEnd(door, id)
  expect([batch.status, batch.errors]).toEqual(['completed', null])
  const customIds = bodies.map((_, i) => `a${i}`)
  return { batch, results: await readResults(door, batch, customIds) }
}
const heardIn = ({ output }: Results) => Object.fromEntries(output.map((r) => [r.custom_id, r.response?.body.text]))
const codesIn = ({ errors }: Results) => Object.fromEntries(errors.map((r) => [r.custom_id, r.error?.code]))

function* endless() {
  for (;;) yield Buffer.alloc(64_000)
}

/** A project with files of its own, beside a web of one server that the operator allows. */
async function withWeb(special: Parameters<typeof openLocal>[0] = {}) {
  const web = await webServer((request, response) => {
    if (request.url === '/gone.wav') return response.writeHead(404).end()
    if (request.url === '/moved') return response.writeHead(302, { location: '/speech' }).end()
    if (request.url === '/inside') return response.writeHead(302, { location: 'http://10.0.0.1/' }).end()
    if (request.url === '/endless') return pipeline(Readable.from(endless()), response, () => {})
    return response.writeHead(200, { 'content-type': 'audio/wav' }).end(wav)
  })
  const subject = await openLocal({ fetchAllow: '127.0.0.1', fetchPorts: `80,443,${web.port}`, attempts: '2', ...special })
  return {
    subject,
    web: `http://127.0.0.1:${web.port}`,
    async [Symbol.asyncDispose]() {
      await subject[Symbol.asyncDispose]()
      await web[Symbol.asyncDispose]()
    },
  }
}

test.skipIf(isRemote)('129: audio by a web address, a data: address, under each of the names that it may have', async () => {
  await using at = await withWeb()
  const { results } = await hear(at.subject, [
    { file_url: `${at.web}/talk.wav` },
    { file_url: dataOf(wav) },
    { url: `${at.web}/moved`, language: 'en' },
    { file: dataOf(await readFile(join(folder, 'speech.ogg')), 'audio/ogg') },
  ])
  expect(results.errors).toEqual([])
  expect(heardIn(results)).toEqual({
    a0: `heard ${wav.length} bytes of audio/wav in talk.wav`,
    a1: `heard ${wav.length} bytes of audio/wav in audio.wav`,
    a2: `heard ${wav.length} bytes of audio/wav in speech.wav`,
    a3: expect.stringMatching(/^heard \d+ bytes of audio\/ogg in audio.ogg$/) as string,
  })
})

test.skipIf(isRemote)('130: audio that is gone, too large, not public or no address is a line of the error file', async () => {
  await using at = await withWeb({ fetchBytes: '500kB' })
  const { batch, results } = await hear(at.subject, [
    { file_url: `${at.web}/gone.wav` },
    { file_url: `${at.web}/endless` },
    { file_url: `${at.web}/inside` },
    { file_url: 'http://169.254.169.254/latest/meta-data/' },
    { file_url: 'http://localhost/a.wav' },
    { file_url: 'file:///etc/passwd' },
    { file_url: 'speech.wav' },
    { file_url: `http://127.0.0.1:1/a.wav` },
    { file_url: 's3://somebody-elses/a.wav' },
    { file_url: `file-${'a'.repeat(24)}` },
    { file_url: dataOf(Buffer.alloc(600_000)) },
    { file_url: dataOf(wav) },
  ])
  expect(codesIn(results)).toEqual({
    a0: 'url_status',
    a1: 'url_too_large',
    a2: 'url_not_allowed',
    a3: 'url_not_allowed',
    a4: 'url_not_allowed',
    a5: 'url_not_allowed',
    a6: 'url_invalid',
    a7: 'url_not_allowed',
    a8: 'url_not_allowed',
    a9: 'url_not_found',
    a10: 'url_too_large',
  })
  expect(batch.request_counts).toEqual({ total: 12, completed: 1, failed: 11 })
  for (const { error, raw } of results.errors) expect(error?.message, raw).not.toMatch(/latest|passwd|gone/)
})

test.skipIf(!hasScript)(
  '131: usage is in seconds, by what the files tell where the answers tell nothing',
  async ({ subject }) => {
    const { batch } = await hear(subject, [
      { file: dataOf(wav) },
      { file: dataOf(wav) },
      { file: dataOf(Buffer.from('no audio')) },
    ])
    expect(batch.usage).toMatchObject({ type: 'duration', seconds: 2, total_tokens: 0 })
  },
)

test.skipIf(!hasScript)('131: an answer as text is an object that holds it', async ({ subject }) => {
  const { results } = await hear(subject, [{ file: dataOf(wav), response_format: 'text' }])
  expect(results.output[0]?.response?.body).toEqual({ text: `heard ${wav.length} bytes of audio/wav in audio.wav\n` })
})

const uploadAudio = async (door: Door, purpose: string): Promise<string> =>
  (await upload(door, wav, { purpose, filename: 'talk.wav' })).id

test.skipIf(!hasScript)('161: audio that is a file of the project, and no other', async ({ subject }) => {
  const files = await Promise.all(['user_data', 'batch', 'assistants'].map((purpose) => uploadAudio(subject, purpose)))
  const { results } = await hear(
    subject,
    files.map((file) => ({ file })),
  )
  const heard = `heard ${wav.length} bytes of audio/wav in talk.wav`
  expect(heardIn(results)).toEqual({ a0: heard, a1: heard })
  expect(codesIn(results)).toEqual({ a2: 'url_not_allowed' })
})

test.skipIf(!hasScript || !hasSecondKey)(
  '162: the file of another project is as one that does not exist',
  async ({ subject }) => {
    const theirs = await uploadAudio(subject.other as Subject, 'user_data')
    const nobodys = theirs.replace(/.$/, (c) => (c === 'a' ? 'b' : 'a'))
    const { results } = await hear(subject, [{ file: theirs }, { file: nobodys }])
    expect(codesIn(results)).toEqual({ a0: 'url_not_found', a1: 'url_not_found' })
    const [a, b] = results.errors.map(({ error }) => error?.message.replace(/file-\w+/i, 'it'))
    expect(a).toBe(b)
  },
)

test.skipIf(!hasScript || !hasBucket)('163: audio that is an object in a bucket of the project', async ({ subject }) => {
  const { name = '', folder: bucket = '' } = subject.bucket ?? {}
  const object = `talk ${newMark()}.wav`
  await copyFile(join(folder, 'speech.wav'), join(bucket, object))
  const { results } = await hear(subject, [{ file_url: `s3://${name}/${object}` }, { file_url: `s3://${name}/none.wav` }])
  expect(heardIn(results)).toEqual({ a0: `heard ${wav.length} bytes of audio/wav in ${object}` })
  expect(codesIn(results)).toEqual({ a1: 'url_not_found' })
})

test('164: a line that names no audio, or names it by something else than text, fails the batch', async ({ subject }) => {
  const text = [line('a', 'x', { url }), line('b', 'x', { url, body: { file: 7 } })].join('\n')
  const { id } = await create(subject, { input_file_id: (await upload(subject, text)).id, endpoint: url })
  const batch = await followToEnd(subject, id)
  expect(batch.status).toBe('failed')
  expect(batch.errors?.data).toMatchObject([
    { code: 'missing_required_parameter', param: 'body.file_url', line: 1 },
    { code: 'invalid_type', param: 'body.file', line: 2 },
  ])
})
