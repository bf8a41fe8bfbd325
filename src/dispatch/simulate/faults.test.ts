import { expect, test } from 'vitest'
import { startSimulator } from './simulator.ts'

const quick = { firstTokenMs: 0, tokenMs: 0 }

/** What a request comes to: the status, 'text' if a good answer is not JSON, 'broken' if there is none. */
async function fate(url: string, prompt: string): Promise<number | 'text' | 'broken'> {
  const body = JSON.stringify({ model: 'sim', messages: [{ role: 'user', content: prompt }] })
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body }).catch(() => null)
  if (!response) return 'broken'
  return response.json().then(
    () => response.status,
    () => 'text',
  )
}

async function fates(url: string, prompt: string, times: number): Promise<(number | string)[]> {
  const seen = []
  for (let i = 0; i < times; i++) seen.push(await fate(url, prompt))
  return seen
}

test.for([
  ['[[400]]', [400, 400, 400]],
  ['[[500]]', [500, 500, 500]],
  ['[[503x2]]', [503, 503, 200]],
  ['[[reset]]', ['broken', 'broken', 'broken']],
  ['[[resetx1]]', ['broken', 200, 200]],
  ['[[garbage]]', ['text', 'text', 'text']],
  ['[[garbagex2]]', ['text', 'text', 200]],
  ['nothing of the kind [400]', [200, 200, 200]],
] as const)('%s in a prompt is done: %j', async ([script, expected]) => {
  await using server = await startSimulator(quick)
  expect(await fates(server.url, `before ${script} after`, 3)).toEqual(expected)
})

test('a script is counted for each prompt by itself', async () => {
  await using server = await startSimulator(quick)
  expect(await fates(server.url, 'a [[503x1]]', 2)).toEqual([503, 200])
  expect(await fates(server.url, 'b [[503x1]]', 2)).toEqual([503, 200])
})

test('a scripted error has the form of an error and says that it is simulated', async () => {
  await using server = await startSimulator(quick)
  const body = JSON.stringify({ model: 'sim', prompt: '[[418]]' })
  const response = await fetch(`${server.url}/v1/completions`, { method: 'POST', body })
  expect(await response.json()).toEqual({
    error: { message: 'a scripted 418', type: 'SimulatedError', param: null, code: 418 },
  })
})

test.for([
  [{ errorRate: 1, errorStatus: 529 }, 529],
  [{ resetRate: 1 }, 'broken'],
  [{ garbageRate: 1 }, 'text'],
  [{ errorRate: 0 }, 200],
] as const)('a rate of %j is every request', async ([options, expected]) => {
  await using server = await startSimulator({ ...quick, ...options })
  expect(new Set(await fates(server.url, 'hello', 4))).toEqual(new Set([expected]))
})

test('rates are shares of the requests, and a request that failed may go well when it is sent again', async () => {
  await using server = await startSimulator({ ...quick, errorRate: 0.25, garbageRate: 0.25, errorStatus: 500 })
  const seen: (number | string)[] = []
  for (let i = 0; i < 200; i++) seen.push(await fate(server.url, `number ${i}`))
  const share = (what: number | string) => seen.filter((s) => s === what).length
  for (const what of [500, 'text'] as const) {
    expect(share(what)).toBeGreaterThan(20)
    expect(share(what)).toBeLessThan(90)
  }
  expect(share(200) + share(500) + share('text')).toBe(200)
  const failed = `number ${seen.indexOf(500)}`
  expect(await fates(server.url, failed, 12)).toContain(200)
})
