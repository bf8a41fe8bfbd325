import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { audioBackend } from '../../../test/support/audio-backend.ts'
import { dispatchSettings } from '../../../test/support/dispatch-settings.ts'
import { webServer } from '../../../test/support/web-server.ts'
import { brokenOff, notFound } from '../../domain/fetch-error.ts'
import type { Outcome } from '../../domain/outcome.ts'
import { systemClock } from '../../kit/clock.ts'
import type { Content, OpenAddress } from '../fetch/content.ts'
import { dataOnly } from '../fetch/data-address.ts'
import { endingOf } from '../http/answer.ts'
import type { Call } from '../http/slot.ts'
import { makeTransport } from '../http/transport.ts'
import { transcription } from './transcription.ts'

const wav = readFileSync(join(import.meta.dirname, '../../../test/data/audio/speech.wav'))
const wavData = `data:audio/wav;base64,${wav.toString('base64')}`
const said = '{"text":"hello"}'
/** What the header of the file says. */
const fileMs = 1000

/** One line, sent to a backend. */
function send(
  url: string,
  body: object,
  open: OpenAddress = dataOnly,
): { readonly call: Call; readonly outcome: Promise<Outcome> } {
  const backend = { url, key: null, headers: {}, models: null, endpoints: null, maxInFlight: 8 }
  let told: (outcome: Outcome) => void
  const outcome = new Promise<Outcome>((resolve) => (told = resolve))
  const wire = makeTransport(dispatchSettings([backend], 8), systemClock)<null>(backend, (_, ended) => told(ended))
  const upload = transcription(Buffer.from(JSON.stringify({ model: 'w', ...body })), null, 'p', open)
  return { call: wire.send(null, '/v1/audio/transcriptions', upload), outcome: outcome.finally(() => void wire.close()) }
}

/** Content that comes as the pieces do. */
const contentOf = (pieces: AsyncIterable<Uint8Array>, more: Partial<Content> = {}): OpenAddress => {
  return async () => ({ bytes: pieces, contentType: null, name: null, size: null, ...more })
}
async function* inPieces(bytes: Buffer, pieceBytes: number) {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield Buffer.from(bytes.subarray(at, at + pieceBytes))
}

test('the audio comes as it is, with the fields of the line, under a name of its kind', async () => {
  await using backend = await audioBackend((_, response) => response.end(said))
  const { outcome } = send(backend.url, { file_url: wavData, language: 'en', 'timestamp_granularities[]': ['word'] })
  expect(await outcome).toMatchObject({ kind: 'answered', status: 200 })
  expect(backend.heard).toEqual([
    {
      path: '/v1/audio/transcriptions',
      length: expect.stringMatching(/^\d+$/) as string,
      fields: [
        ['model', 'w'],
        ['language', 'en'],
        ['timestamp_granularities[]', 'word'],
      ],
      file: { field: 'file', name: 'audio.wav', type: 'audio/wav', bytes: wav },
    },
  ])
})

test('what tells no size is sent with its size if it is small, and in pieces if it is not', async () => {
  await using backend = await audioBackend((_, response) => response.end(said))
  const long = Buffer.concat([wav, Buffer.alloc(3_000_000)])
  const outcomes = [
    await send(backend.url, { url: 'a' }, contentOf(inPieces(wav, 1000))).outcome,
    await send(backend.url, { url: 'a' }, contentOf(inPieces(long, 64_000), { name: 'long.wav' })).outcome,
  ]
  for (const outcome of outcomes)
    expect(outcome.kind === 'answered' && endingOf(outcome)).toMatchObject({ usage: { durationMs: fileMs }, timedBy: 'file' })
  expect(backend.heard.map(({ length, file }) => [length !== null, file.name, file.bytes.length])).toEqual([
    [true, 'audio.wav', wav.length],
    [false, 'long.wav', long.length],
  ])
  expect(backend.heard[1]?.file.bytes.equals(long)).toBe(true)
})

const heardBy = async (answer: string, more: object = {}, type = 'application/json') => {
  await using backend = await audioBackend((_, response) => response.setHeader('content-type', type).end(answer))
  const outcome = await send(backend.url, { file: wavData, ...more }).outcome
  if (outcome.kind !== 'answered') throw new Error(outcome.kind)
  const ending = endingOf(outcome)
  return ending.kind === 'answered'
    ? { body: Buffer.concat(ending.body).toString(), usage: ending.usage, timedBy: ending.timedBy }
    : { code: ending.code }
}
test.for([
  ['nothing', said, fileMs, 'file'],
  ['seconds', '{"text":"a","usage":{"type":"duration","seconds":7}}', 7000, 'answer'],
  ['a duration', '{"text":"a","duration":2.5}', 2500, 'answer'],
  ['a duration as text', '{"text":"a","duration":"8.47"}', 8470, 'answer'],
  ['nonsense', '{"text":"a","duration":-1,"usage":{"seconds":"NaN"}}', fileMs, 'file'],
] as const)('an answer tells %s', async ([, answer, durationMs, timedBy]) => {
  expect(await heardBy(answer)).toMatchObject({ body: answer, timedBy, usage: { totalTokens: 0, durationMs } })
})

test('what is billed by tokens has no seconds', async () => {
  const answer = '{"text":"a","usage":{"type":"tokens","input_tokens":14,"output_tokens":3,"total_tokens":17}}'
  expect(await heardBy(answer)).toMatchObject({ usage: { inputTokens: 14, outputTokens: 3, totalTokens: 17, durationMs: 0 } })
})

test.for([
  ['text', 'text/plain', 'Hello,\n"you"\n', '{"text":"Hello,\\n\\"you\\"\\n"}'],
  ['srt', 'text/plain', '1\n00:00:00,000 --> 00:00:01,000\nHi', '{"text":"1\\n00:00:00,000 --> 00:00:01,000\\nHi"}'],
  ['vtt', 'text/vtt', 'WEBVTT\n', '{"text":"WEBVTT\\n"}'],
  ['text', 'application/json', '"Hello"', '{"text":"Hello"}'],
  ['text', 'application/json', '{"text":"Hello","x":1.0}', '{"text":"Hello","x":1.0}'],
  ['text', 'text/plain', '{"text":1}', '{"text":"{\\"text\\":1}"}'],
  ['text', 'text/plain', '', '{"text":""}'],
] as const)('an answer in the form %s (%s) is an object that holds it', async ([response_format, type, answer, body]) => {
  expect(await heardBy(answer, { response_format }, type)).toMatchObject({ body, timedBy: 'file' })
})

test('a text that nobody asked for is no answer', async () => {
  expect(await heardBy('Hello', {}, 'text/plain')).toEqual({ code: 'invalid_response' })
})

test('what a line names and is not there is told, and the backend hears nothing', async () => {
  await using backend = await audioBackend((_, response) => response.end(said))
  const missing: OpenAddress = () => Promise.reject(notFound('File x'))
  expect(await send(backend.url, { file: 'file-x' }, missing).outcome).toMatchObject({
    kind: 'unfetched',
    code: 'url_not_found',
    passing: false,
  })
  expect(await send(backend.url, { file: 7 }).outcome).toMatchObject({ kind: 'unfetched', code: 'url_invalid' })
  expect(await send(backend.url, { file: 'http://127.0.0.1/' }).outcome).toMatchObject({ code: 'url_not_allowed' })
  const ours: OpenAddress = () => Promise.reject(Object.assign(new Error('secret'), { code: 'EMFILE' }))
  expect(await send(backend.url, { file: 'x' }, ours).outcome).toEqual({ kind: 'ours', of: 'content', message: 'EMFILE' })
  expect(backend.heard).toEqual([])
})

test('audio that breaks off is not blamed on the backend, and its connection is closed', async () => {
  await using backend = await audioBackend((_, response) => response.end(said))
  async function* breaking() {
    yield wav
    yield Buffer.alloc(2_000_000)
    await sleep(20)
    throw brokenOff('https://example.com', 'ECONNRESET')
  }
  for (const size of [null, 5_000_000])
    expect(await send(backend.url, { file: 'x' }, contentOf(breaking(), { size })).outcome).toMatchObject({
      kind: 'unfetched',
      code: 'url_unreachable',
      passing: true,
    })
  await backend.quiet()
  expect(backend.heard).toEqual([])
})

test('a backend that refuses before it has heard all is heard', async () => {
  await using backend = await webServer((_, response) => response.writeHead(413).end('{"error":{"message":"too large"}}'))
  let closed = false
  async function* endless() {
    try {
      for (;;) {
        yield Buffer.alloc(64_000)
        await sleep(1)
      }
    } finally {
      closed = true
    }
  }
  const { outcome } = send(`http://127.0.0.1:${backend.port}`, { file: 'x' }, contentOf(endless()))
  expect(await outcome).toMatchObject({ kind: 'answered', status: 413 })
  await expect.poll(() => closed).toBe(true)
  await backend.quiet()
})

test.for(['while it is opened', 'while it is sent'])(
  'an abort %s closes what was opened, and nothing is heard of it',
  async (when) => {
    await using backend = await webServer((request) => void request.resume())
    let opened: (signal: AbortSignal) => void
    const asked = new Promise<AbortSignal>((resolve) => (opened = resolve))
    const open: OpenAddress = async (_address, _project, signal) => {
      opened(signal)
      if (when === 'while it is opened')
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
      async function* slow() {
        for (;;) {
          yield wav
          await sleep(5, undefined, { signal })
        }
      }
      return { bytes: slow(), contentType: null, name: null, size: null }
    }
    const { call, outcome } = send(`http://127.0.0.1:${backend.port}`, { file: 'x' }, open)
    let heard = false
    void outcome.then(() => (heard = true))
    const signal = await asked
    if (when === 'while it is sent') await expect.poll(() => backend.open.size).toBe(1)
    call.abort()
    expect(signal.aborted).toBe(true)
    await backend.quiet()
    await sleep(30)
    expect(heard).toBe(false)
  },
)
