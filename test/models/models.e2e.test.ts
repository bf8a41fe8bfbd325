/** Batches over real texts with real models behind: what a fake would never do. `scripts/get-models.sh` fetches them. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { follow, followToEnd, poll } from '../conformance/follow.ts'
import { openLocal } from '../conformance/local.ts'
import { readResults } from '../conformance/results.ts'
import { cancel, create, upload, type Batch, type Door } from '../conformance/wire.ts'
import { startRecorder, type Recorded } from './recorder.ts'
import { chatModel, hasModels, howToAdd, startModel } from './servers.ts'

if (!hasModels) {
  const said = `Left out: all that needs a real model. To add it, ${howToAdd}.`
  if (process.env.NIGHTSHIFT_TEST_ALL !== undefined) throw new Error(said)
  console.warn(said)
}

const timeout = 180_000
const examples = join(import.meta.dirname, '../../examples')

async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-models-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** The first lines of an example, made into ones of another endpoint and model. */
async function linesFrom(name: string, count: number, url: string, bodyOf: (body: Record<string, unknown>) => object) {
  const all = (await readFile(join(examples, name), 'utf8')).split('\n').slice(0, count)
  const lines = all.map((text) => {
    const { custom_id, body } = JSON.parse(text) as { custom_id: string; body: Record<string, unknown> }
    return { custom_id, method: 'POST', url, body: bodyOf(body) }
  })
  return { customIds: lines.map(({ custom_id }) => custom_id), text: lines.map((line) => `${JSON.stringify(line)}\n`).join('') }
}

/** The question of a line, cut short: a model reads some hundred tokens a second here. */
const questionIn = ({ messages }: Record<string, unknown>) => (messages as { content: string }[]).at(-1)?.content.slice(0, 200)

const chatLines = (count: number, more: object = { max_tokens: 8 }) =>
  linesFrom('packages-chat.jsonl', count, '/v1/chat/completions', (body) => ({
    model: chatModel,
    messages: [{ role: 'user', content: questionIn(body) }],
    temperature: 0,
    ...more,
  }))

async function start(door: Door, text: string, endpoint = '/v1/chat/completions'): Promise<string> {
  return (await create(door, { input_file_id: (await upload(door, text)).id, endpoint })).id
}

const bodyIn = (line: string): string => line.slice(line.indexOf('"body":') + '"body":'.length, -1)
const onOneLine = (bytes: Buffer): string => bytes.toString().replaceAll(/[\r\n]/g, ' ')

/** What went out is what stood in the lines, and what stands in the results is what came back, byte for byte (D17). */
async function expectUntouched(
  door: Door,
  batch: Batch,
  input: { text: string; customIds: readonly string[] },
  calls: readonly Recorded[],
) {
  const { output, errors } = await readResults(door, batch, input.customIds)
  expect(calls.map(({ sent }) => sent.toString()).toSorted()).toEqual(input.text.trimEnd().split('\n').map(bodyIn).toSorted())
  const came = calls.map(({ status, answered }) => `${status} ${onOneLine(answered)}`).toSorted()
  const stands = [...output, ...errors].map(
    ({ raw, response }) => `${response?.status_code} ${bodyIn(raw).replace(/\},"error":null$/, '')}`,
  )
  expect(stands.toSorted()).toEqual(came)
  return output
}

test.skipIf(!hasModels)('chat: llama.cpp with SmolLM2', { timeout }, async () => {
  await using model = await startModel('llama')
  await using recorder = await startRecorder(model.url)
  await using subject = await openLocal({ maxInFlight: '8' }, undefined, recorder.url)
  const input = await chatLines(60)
  const batch = await followToEnd(subject, await start(subject, input.text), timeout)
  const output = await expectUntouched(subject, batch, input, recorder.posts())
  expect([batch.status, output.length]).toEqual(['completed', 60])
  expect(batch.usage?.output_tokens).toBeGreaterThan(60)
})

test.skipIf(!hasModels)('responses: the same server, by an alias', { timeout }, async () => {
  await using model = await startModel('llama')
  await using recorder = await startRecorder(model.url)
  const config = join(await scratch(), 'nightshift.yaml')
  await writeFile(config, `backends:\n  - url: ${recorder.url}\n    maxInFlight: 8\n    aliases: { night: ${chatModel} }\n`)
  await using subject = await openLocal({}, config, null)
  const url = '/v1/responses'
  const input = await linesFrom('packages-chat.jsonl', 50, url, (body) => ({
    model: 'night',
    input: questionIn(body),
    max_output_tokens: 8,
  }))
  const batch = await followToEnd(subject, await start(subject, input.text, url), timeout)
  const known = { ...input, text: input.text.replaceAll('"model":"night"', `"model":"${chatModel}"`) }
  const output = await expectUntouched(subject, batch, known, recorder.posts())
  expect([batch.status, batch.model, output.length]).toEqual(['completed', 'night', 50])
})

test.skipIf(!hasModels)('embeddings: e5 small', { timeout }, async () => {
  await using model = await startModel('e5')
  await using recorder = await startRecorder(model.url)
  await using subject = await openLocal({ maxInFlight: '4' }, undefined, recorder.url)
  const { data } = (await (await fetch(`${model.url}/v1/models`)).json()) as { data: { id: string }[] }
  const url = '/v1/embeddings'
  const input = await linesFrom('packages-embeddings.jsonl', 60, url, (body) => ({ ...body, model: data[0]?.id }))
  const batch = await followToEnd(subject, await start(subject, input.text, url), timeout)
  const output = await expectUntouched(subject, batch, input, recorder.posts())
  expect([batch.status, output.length]).toEqual(['completed', 60])
  const vectors = output.map(({ response }) => response?.body.data as { embedding: number[] }[] | undefined)
  for (const vector of vectors) expect(vector?.[0]?.embedding).toHaveLength(384)
})

test.skipIf(!hasModels)('transcriptions: Whisper hears what espeak-ng says', { timeout }, async () => {
  await using model = await startModel('whisper')
  const folder = await scratch()
  const config = join(folder, 'nightshift.yaml')
  await writeFile(config, `backends:\n  - url: ${model.url}\n    models: [whisper-1]\n    maxInFlight: 2\n`)
  await using subject = await openLocal({}, config, null)
  const said = [
    'Please call her and ask her to bring these things.',
    'This is a test of the night shift.',
    'The weather is good today.',
  ]
  const files = await Promise.all(
    said.map(async (words, i) => {
      const path = join(folder, `${i}.wav`)
      execFileSync('espeak-ng', ['-v', 'en-us', '-s', '130', '-w', path, words])
      return readFile(path)
    }),
  )
  const url = '/v1/audio/transcriptions'
  const addressOf = async (bytes: Buffer, i: number) =>
    i === 0
      ? (await upload(subject, new Uint8Array(bytes), { purpose: 'user_data', filename: 'speech.wav' })).id
      : `data:audio/wav;base64,${bytes.toString('base64')}`
  const lines = await Promise.all(
    files.map(async (bytes, i) => {
      const body = { model: 'whisper-1', file_url: await addressOf(bytes, i), response_format: i === 1 ? 'verbose_json' : 'json' }
      return JSON.stringify({ custom_id: `a${i}`, method: 'POST', url, body })
    }),
  )
  const batch = await followToEnd(subject, await start(subject, lines.join('\n'), url), timeout)
  const { output } = await readResults(subject, batch, ['a0', 'a1', 'a2'])
  const heard = Object.fromEntries(output.map((r) => [r.custom_id, r.response?.body.text]))
  expect(heard).toEqual({
    a0: expect.stringMatching(/bring these things/i) as string,
    a1: expect.stringMatching(/test/i) as string,
    a2: expect.stringMatching(/weather is good/i) as string,
  })
  const { type, seconds } = batch.usage as unknown as { type: string; seconds: number }
  const played = files.reduce((sum, { length }) => sum + (length - 44) / 2 / 22_050, 0)
  expect(type).toBe('duration')
  expect(Math.abs(seconds - played)).toBeLessThan(0.5)
})

const metric = async (url: string, name: string): Promise<number> =>
  Number(new RegExp(`^llamacpp:${name} (\\d+)`, 'm').exec(await (await fetch(`${url}/metrics`)).text())?.[1] ?? NaN)

test.skipIf(!hasModels)("a cancel while it generates frees the server's slots", { timeout }, async () => {
  await using model = await startModel('llama')
  await using subject = await openLocal({ maxInFlight: '8' }, undefined, model.url)
  const input = await chatLines(50, { max_tokens: 1000, ignore_eos: true })
  const id = await start(subject, input.text)
  const processing = () => metric(model.url, 'requests_processing')
  await poll(processing, (n) => n === 8, 'all slots are taken', 120_000)
  await cancel(subject, id)
  // llama.cpp looks whether a caller is still there when a second has passed without any task's result, and an answer to /metrics is one.
  await poll(processing, (n) => n === 0, 'no slot is taken', 20_000, 2500)
  expect(await metric(model.url, 'requests_deferred')).toBe(0)
  const batch = await followToEnd(subject, id)
  expect(batch.status).toBe('cancelled')
  await readResults(subject, batch, input.customIds)
})

test.skipIf(!hasModels)('a server that is killed in the middle and comes back loses nothing', { timeout }, async () => {
  await using model = await startModel('llama')
  await using subject = await openLocal({ maxInFlight: '8', backoffBase: '200ms', backoffMax: '1s' }, undefined, model.url)
  const input = await chatLines(60)
  const id = await start(subject, input.text)
  await follow(subject, id, ({ request_counts }) => request_counts.completed >= 10, 60_000)
  await model.kill()
  await model.start()
  const batch = await followToEnd(subject, id, timeout)
  expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 60, completed: 60, failed: 0 } })
  await readResults(subject, batch, input.customIds)
})
