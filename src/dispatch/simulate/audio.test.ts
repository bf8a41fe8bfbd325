import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startSimulator } from './simulator.ts'

const wav = readFileSync(join(import.meta.dirname, '../../../test/data/audio/speech.wav'))

async function hear(fields: Record<string, string>, file: Buffer | null = wav) {
  await using server = await startSimulator({ firstTokenMs: 0, tokenMs: 0 })
  const form = new FormData()
  for (const [name, value] of Object.entries({ model: 'sim', ...fields })) form.append(name, value)
  if (file) form.append('file', new File([new Uint8Array(file)], 'speech.wav'))
  const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: 'POST', body: form })
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

test('a file is heard, for as long as it plays', async () => {
  const { status, text } = await hear({})
  expect([status, JSON.parse(text)]).toEqual([
    200,
    { text: expect.any(String) as string, usage: { type: 'duration', seconds: 1 } },
  ])
  expect(JSON.parse((await hear({ response_format: 'verbose_json' })).text)).toMatchObject({ duration: 1 })
})

test.for([
  ['text', /^\w[\w ]*\n$/],
  ['srt', /^1\n00:00:00,000 --> 00:00:01,000\n\w/],
  ['vtt', /^WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n\w/],
] as const)('%s is a text', async ([response_format, expected]) => {
  const { type, text } = await hear({ response_format })
  expect(type).toBe('text/plain')
  expect(text).toMatch(expected)
})

test('the same file is heard the same, and its prompt is a script like any other', async () => {
  expect((await hear({})).text).toBe((await hear({})).text)
  expect((await hear({ prompt: '[[418]]' })).status).toBe(418)
})

test('without a file there is nothing to hear', async () => {
  expect((await hear({}, null)).status).toBe(400)
})
