import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerTo } from './scripted-answers.ts'
import { controlOf, startScriptedBackend, type ScriptedBackend } from './scripted-backend.ts'

let backend: ScriptedBackend
beforeAll(async () => void (backend = await startScriptedBackend()))
afterAll(() => backend[Symbol.asyncDispose]())

const bodyOf = (content: string) => ({ model: 'night-1', messages: [{ role: 'user', content }] })
const ask = (prompt: string, signal?: AbortSignal) =>
  fetch(`${backend.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(bodyOf(prompt)),
    ...(signal ? { signal } : {}),
  })

test('a prompt without a script is answered, in bytes that are known beforehand', async () => {
  const response = await ask('hello')
  expect(await response.text()).toBe(answerTo('/v1/chat/completions', bodyOf('hello')))
})

test('a status stands as often as the script says', async () => {
  const statuses: number[] = []
  for (let i = 0; i < 4; i++) statuses.push((await ask('a [[503x2]]')).status)
  expect(statuses).toEqual([503, 503, 200, 200])
  expect([(await ask('b [[400]]')).status, (await ask('b [[400]]')).status]).toEqual([400, 400])
  expect((await ask('c [[429x1 after 7]]')).headers.get('retry-after')).toBe('7')
})

test('a gate holds its lines until it is released, and what comes later goes through', async () => {
  const held = ask('d [[wait gate]]')
  await controlOf(backend.url).release('gate')
  expect((await held).status).toBe(200)
  expect((await ask('e [[wait gate]]')).status).toBe(200)
})

test('a reset breaks the connection', async () => {
  await expect(ask('f [[reset]]')).rejects.toThrow('fetch failed')
})

test('sightings count attempts by mark, and those whose caller went away', async () => {
  const control = controlOf(backend.url)
  const away = new AbortController()
  const hung = ask('mark-1 [[hang]]', away.signal)
  await ask('mark-1 x')
  await ask('mark-1 x')
  away.abort()
  await expect(hung).rejects.toThrow('aborted')
  const seen = await control.seen('mark-1')
  expect(seen.requests).toBe(3)
  expect(seen.at.get('mark-1 x')).toHaveLength(2)
  await expect.poll(async () => (await control.seen('mark-1')).aborted).toBe(1)
})
