import { expect, test } from 'vitest'
import { startSimulator } from './simulator.ts'

const quick = { firstTokenMs: 0, tokenMs: 0 }

const post = (url: string, path: string, body: unknown): Promise<Response> =>
  fetch(url + path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })

const asked = {
  '/v1/chat/completions': { model: 'sim', messages: [{ role: 'user', content: 'a package for games' }] },
  '/v1/completions': { model: 'sim', prompt: 'a package for games' },
  '/v1/responses': { model: 'sim', input: 'a package for games' },
  '/v1/embeddings': { model: 'sim', input: ['one', 'two'], dimensions: 8 },
} as const

test('it tells its models, and that they are simulated', async () => {
  await using server = await startSimulator({ models: ['a', 'b'] })
  const response = await fetch(`${server.url}/v1/models`)
  expect(await response.json()).toMatchObject({
    object: 'list',
    data: [
      { id: 'a', owned_by: 'simulated' },
      { id: 'b', owned_by: 'simulated' },
    ],
  })
  expect(await (await fetch(`${server.url}/health`)).json()).toMatchObject({ simulated: true })
})

test.for([
  [
    '/v1/chat/completions',
    {
      object: 'chat.completion',
      system_fingerprint: 'simulated',
      choices: [{ message: { role: 'assistant', content: expect.stringMatching(/^games/) as string } }],
    },
  ],
  ['/v1/completions', { object: 'text_completion', choices: [{ text: expect.stringMatching(/^games/) as string }] }],
  [
    '/v1/responses',
    {
      object: 'response',
      status: 'completed',
      metadata: { simulated: 'true' },
      output: [{ content: [{ type: 'output_text', text: expect.stringMatching(/^games/) as string }] }],
    },
  ],
  ['/v1/embeddings', { object: 'list', data: [{ index: 0 }, { index: 1 }] }],
] as const)('%s answers in its own form, with usage, and says that it is simulated', async ([path, form]) => {
  await using server = await startSimulator(quick)
  const response = await post(server.url, path, asked[path])
  expect(response.status).toBe(200)
  expect(response.headers.get('server')).toBe('nightshift-simulator')
  const body = (await response.json()) as { model: string; usage: Record<string, number> }
  expect(body).toMatchObject({ model: 'sim', ...form })
  const { prompt_tokens, completion_tokens, input_tokens, output_tokens, total_tokens } = body.usage
  const [input = 0, output = 0] = [prompt_tokens ?? input_tokens, completion_tokens ?? output_tokens]
  expect(input).toBeGreaterThan(0)
  expect(output > 0, 'an embedding has no output tokens').toBe(path !== '/v1/embeddings')
  expect(total_tokens).toBe(input + output)
})

test('an embedding has the dimensions and the encoding that were asked for', async () => {
  await using server = await startSimulator(quick)
  const vectorOf = async (more: object) => {
    const response = await post(server.url, '/v1/embeddings', { model: 'sim', input: 'one', dimensions: 8, ...more })
    return ((await response.json()) as { data: { embedding: number[] | string }[] }).data[0]?.embedding
  }
  const vector = (await vectorOf({})) as number[]
  expect(vector).toHaveLength(8)
  expect(Math.hypot(...vector)).toBeCloseTo(1)
  const base64 = (await vectorOf({ encoding_format: 'base64' })) as string
  expect(Buffer.from(base64, 'base64')).toHaveLength(8 * Float32Array.BYTES_PER_ELEMENT)
})

test('a limit on tokens cuts the answer, and the answer says so', async () => {
  await using server = await startSimulator({ ...quick, seed: 3 })
  const ends = await Promise.all(
    Array.from({ length: 16 }, async (_, i) => {
      const body = { model: 'sim', messages: [{ role: 'user', content: `${i}` }], max_tokens: 2 }
      const answer = (await (await post(server.url, '/v1/chat/completions', body)).json()) as {
        choices: { finish_reason: string }[]
        usage: { completion_tokens: number }
      }
      return { reason: answer.choices[0]?.finish_reason, tokens: answer.usage.completion_tokens }
    }),
  )
  expect(ends.every(({ tokens }) => tokens <= 2)).toBe(true)
  expect(new Set(ends.map(({ reason }) => reason))).toEqual(new Set(['length', 'stop']))
})

/** What sixteen requests came to: the texts, or the status of the error. */
async function story(seed: number): Promise<unknown[]> {
  await using server = await startSimulator({ ...quick, seed, errorRate: 0.3, errorStatus: 502 })
  const stories: unknown[] = []
  for (let i = 0; i < 16; i++) {
    const body = { model: 'sim', messages: [{ role: 'user', content: `number ${i}` }] }
    const response = await post(server.url, '/v1/chat/completions', body)
    const { choices, usage } = (await response.json()) as { choices?: unknown; usage?: unknown }
    stories.push(response.ok ? { choices, usage } : response.status)
  }
  return stories
}

test('the same seed gives the same answers and the same faults, another seed others', async () => {
  const [first, again, other] = [await story(1), await story(1), await story(2)]
  expect(first.filter((s) => s === 502).length).toBeGreaterThan(0)
  expect(first.filter((s) => s !== 502).length).toBeGreaterThan(0)
  expect(again).toEqual(first)
  expect(other).not.toEqual(first)
})

test.for([
  ['an unknown model', '/v1/chat/completions', { model: 'nope', messages: [] }, 404, /'nope' does not exist/],
  ['a body that is not JSON', '/v1/chat/completions', '{"model":', 400, /not a JSON object/],
  ['a body that is a list', '/v1/chat/completions', '[]', 400, /not a JSON object/],
  ['no messages', '/v1/chat/completions', { model: 'sim' }, 400, /Field required: messages/],
  ['no input', '/v1/embeddings', { model: 'sim', input: null }, 400, /Field required: input/],
  ['an unknown route', '/v1/audio/speech', { model: 'sim' }, 404, /no such route/],
] as const)('%s is refused in the form of an error', async ([, path, body, status, message]) => {
  await using server = await startSimulator(quick)
  const response = await post(server.url, path, body)
  expect(response.status).toBe(status)
  expect(await response.json()).toMatchObject({
    error: { message: expect.stringMatching(message) as string, code: status, param: null },
  })
})

test('while it is away nobody is answered, and afterwards everybody is', async () => {
  await using server = await startSimulator(quick)
  server.setDown(true)
  await expect(fetch(`${server.url}/v1/models`)).rejects.toThrow('fetch failed')
  server.setDown(false)
  expect((await fetch(`${server.url}/v1/models`)).status).toBe(200)
})
