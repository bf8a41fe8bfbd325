import { expect, test } from 'vitest'
import { poll } from '../../../test/conformance/follow.ts'
import { handClock } from '../../../test/support/hand-clock.ts'
import type { SimulateOptions } from '../../domain/simulate-options.ts'
import { startSimulator } from './simulator.ts'

/** A simulator whose time is moved by hand; `asked` are the pauses that it took, in order. */
async function openServer(options: Partial<SimulateOptions> = {}) {
  const clock = handClock()
  const asked: number[] = []
  const server = await startSimulator(
    { firstTokenMs: 100, tokenMs: 10, ...options },
    { clock: { sleep: (ms, signal) => (asked.push(ms), clock.sleep(ms, signal)) } },
  )
  const post = (prompt: string, signal?: AbortSignal): Promise<Response> =>
    fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'sim', prompt }),
      ...(signal ? { signal } : {}),
    })
  const inFlight = (n: number) =>
    poll(
      async () => server.stats().inFlight,
      (seen) => seen === n,
      `${n} in flight`,
    )
  const working = (n: number) =>
    poll(
      async () => clock.sleepers,
      (seen) => seen === n,
      `${n} worked on`,
    )
  const gauge = async (name: string): Promise<number> => {
    const text = await (await fetch(`${server.url}/metrics`)).text()
    return Number(new RegExp(`^${name}\\{model_name="sim"\\} (.*)$`, 'm').exec(text)?.[1] ?? NaN)
  }
  /** Moves time on, a little at a time, until so many have been worked on since the start. */
  const begun = (n: number) =>
    poll(
      async () => (asked.length < n ? await clock.advance(10) : undefined, asked.length),
      (seen) => seen === n,
      `${n} begun`,
    )
  /** Moves time on until everybody has an answer. */
  async function ended(answers: readonly Promise<Response>[]): Promise<number[]> {
    const all = Promise.all(answers)
    let are = false
    void all.then(() => (are = true))
    await poll(
      async () => (await clock.advance(50), are),
      (is) => is,
      'every answer',
    )
    return (await all).map(({ status }) => status)
  }
  return { ...server, clock, asked, post, inFlight, working, gauge, begun, ended }
}

test('the slots bound what is worked on at once; others wait, and the metrics have the names of vLLM for it', async () => {
  await using server = await openServer({ slots: 2 })
  const metrics = async () => ({
    running: await server.gauge('vllm:num_requests_running'),
    waiting: await server.gauge('vllm:num_requests_waiting'),
    cache: [await server.gauge('vllm:kv_cache_usage_perc'), await server.gauge('vllm:gpu_cache_usage_perc')],
    answered: await server.gauge('vllm:request_success_total'),
  })
  expect(await metrics()).toEqual({ running: 0, waiting: 0, cache: [0, 0], answered: 0 })
  const answers = ['a', 'b', 'c', 'd', 'e'].map((prompt) => server.post(prompt))
  await poll(metrics, ({ running, waiting }) => running === 2 && waiting === 3, 'two run, three wait')
  expect(server.clock.sleepers).toBe(2)
  expect(await metrics()).toEqual({ running: 2, waiting: 3, cache: [1, 1], answered: 0 })
  await server.begun(4)
  expect(await metrics()).toEqual({ running: 2, waiting: 1, cache: [1, 1], answered: 2 })
  expect(await server.ended(answers)).toEqual([200, 200, 200, 200, 200])
  await server.inFlight(0)
  expect(await metrics()).toEqual({ running: 0, waiting: 0, cache: [0, 0], answered: 5 })
  expect(await server.gauge('vllm:prompt_tokens_total')).toBeGreaterThanOrEqual(5)
  expect(await server.gauge('vllm:generation_tokens_total')).toBeGreaterThanOrEqual(5)
})

test('at the end of the queue it answers 503, also when the queue has no place but a slot is free', async () => {
  for (const queue of [0, 1]) {
    await using server = await openServer({ slots: 1, queue })
    const first = server.post('a')
    await server.working(1)
    const waiting = Array.from({ length: queue }, () => server.post('b'))
    await poll(
      () => server.gauge('vllm:num_requests_waiting'),
      (n) => n === queue,
      'the queue is full',
    )
    const refused = await server.post('c')
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(new Set(await server.ended([first, ...waiting]))).toEqual(new Set([200]))
    expect(server.stats()).toMatchObject({ answered: 1 + queue, refused: 1 })
  }
})

test('above the most in flight it answers 429 and when to come again', async () => {
  await using server = await openServer({ slots: 8, maxInFlight: 2, retryAfterSeconds: 7 })
  const answers = [server.post('a'), server.post('b')]
  await server.working(2)
  const refused = await server.post('c')
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '7'])
  expect(await server.ended(answers)).toEqual([200, 200])
})

test('an answer takes longer the more is worked on beside it', async () => {
  await using server = await openServer({ slots: 4 })
  const answers: Promise<Response>[] = []
  for (let n = 1; n <= 4; n++) {
    answers.push(server.post('the same'))
    await server.working(n)
  }
  expect(server.asked).toHaveLength(4)
  expect(server.asked, 'each newcomer finds more load').toEqual(server.asked.toSorted((a, b) => a - b))
  expect(new Set(server.asked).size).toBe(4)
  await server.ended(answers)
})

test('a client that goes away gives its slot, or its place in the queue, to the next', async () => {
  await using server = await openServer({ slots: 1 })
  const [leaving, queued] = [new AbortController(), new AbortController()]
  const hanging = server.post('[[hang]]', leaving.signal)
  await server.working(1)
  const waiting = server.post('a', queued.signal)
  await server.inFlight(2)
  const next = server.post('b')
  await server.inFlight(3)
  queued.abort()
  await expect(waiting).rejects.toThrow('aborted')
  await server.inFlight(2)
  expect(server.asked, 'nobody has got the slot').toHaveLength(1)
  leaving.abort()
  await expect(hanging).rejects.toThrow('aborted')
  await poll(
    async () => server.asked.length,
    (n) => n === 2,
    'the next has the slot',
  )
  expect(await server.ended([next])).toEqual([200])
  await server.inFlight(0)
  expect(server.stats()).toMatchObject({ aborted: 2, answered: 1, inFlight: 0 })
})

test('an end of the server ends what hangs', async () => {
  const server = await openServer()
  const hanging = server.post('[[hang]]')
  await server.working(1)
  const lost = hanging.then(
    () => 'answered',
    () => 'lost',
  )
  await server[Symbol.asyncDispose]()
  expect(await lost).toBe('lost')
  expect(server.clock.sleepers).toBe(0)
})

test('a slow answer trickles, and is whole at the end', async () => {
  await using server = await openServer()
  const response = server.post('[[slow]]')
  await server.working(1)
  await server.clock.advance(1000)
  const body = (await response).text()
  let ended = false
  void body.finally(() => (ended = true))
  await poll(
    async () => (await server.clock.advance(200), ended),
    (is) => is,
    'the whole answer',
  )
  expect(JSON.parse(await body)).toMatchObject({ object: 'text_completion', usage: { prompt_tokens: 3 } })
  expect(server.asked.length, 'one pause for the answer, then one for each few bytes').toBeGreaterThan(10)
})
