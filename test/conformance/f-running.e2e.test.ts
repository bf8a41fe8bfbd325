import { expect } from 'vitest'
import { answerTo, tokensOf } from './scripted-answers.ts'
import { follow, followToEnd, poll, terminal } from './follow.ts'
import { linesOf, model, threeLines, times, type Lines } from './lines.ts'
import { parseResults, readResults, type Results } from './results.ts'
import { test, isRemote, hasScript, openLocal, type Subject } from './subject.ts'
import { create, getBatch, getContent, listBatches, upload, type Batch } from './wire.ts'

const start = async (subject: Subject, lines: Lines, endpoint = '/v1/chat/completions'): Promise<string> =>
  (await create(subject, { input_file_id: (await upload(subject, lines.text)).id, endpoint })).id

/** Runs a batch to its end, which must be `completed`, and reads its results. */
async function run(subject: Subject, lines: Lines, endpoint?: string): Promise<Results & { batch: Batch }> {
  const batch = await followToEnd(subject, await start(subject, lines, endpoint))
  expect(batch.status, JSON.stringify(batch.errors)).toBe('completed')
  return { batch, ...(await readResults(subject, batch, lines.customIds)) }
}

test('74: B0 runs to the end, through the states in their order, with each stamp set once', async ({ subject }) => {
  const looks = await follow(subject, await start(subject, threeLines()), ({ status }) => terminal.includes(status))
  const last = looks.at(-1)
  expect(last).toMatchObject({ status: 'completed', request_counts: { total: 3, completed: 3, failed: 0 }, error_file_id: null })
  expect(last?.output_file_id).toMatch(/^file-/)
  for (const stamp of ['in_progress_at', 'finalizing_at', 'completed_at'] as const)
    expect(last?.[stamp]).toEqual(expect.any(Number))
})

test.skipIf(!hasScript)('75: counts rise while it runs, and the output is not named before the end', async ({ subject }) => {
  const lines = linesOf(['[[wait g75-0]]', '[[wait g75-1]]', '[[wait g75-2]]'])
  const id = await start(subject, lines)
  const [running] = await follow(subject, id, ({ status }) => status === 'in_progress').then((looks) => looks.slice(-1))
  expect(running?.request_counts).toEqual({ total: 3, completed: 0, failed: 0 })
  for (const n of [0, 1]) {
    await subject.backend.release(`g75-${n}`)
    await follow(subject, id, ({ request_counts }) => request_counts.completed === n + 1)
    expect(await getBatch(subject, id)).toMatchObject({ status: 'in_progress', output_file_id: null })
  }
  await subject.backend.release('g75-2')
  expect((await followToEnd(subject, id)).request_counts).toEqual({ total: 3, completed: 3, failed: 0 })
})

test('76: an output line has its four keys, an answer with status 200 and a request id', async ({ subject }) => {
  const { output } = await run(subject, threeLines())
  expect(output).toHaveLength(3)
  for (const { id, response } of output) {
    expect(id).toMatch(/^batch_req_/)
    expect(Object.keys(response ?? {})).toEqual(['status_code', 'request_id', 'body'])
    expect(response?.status_code).toBe(200)
    expect(response?.request_id).not.toBe('')
  }
})

test.skipIf(!hasScript)('77: the body is what the backend answered, byte for byte', async ({ subject }) => {
  const lines = threeLines()
  const { output } = await run(subject, lines)
  for (const [i, customId] of lines.customIds.entries()) {
    const answer = answerTo('/v1/chat/completions', { model, messages: [{ role: 'user', content: lines.prompts[i] }] })
    const found = output.find(({ custom_id }) => custom_id === customId)
    expect(found?.raw).toContain(`,"body":${answer}},"error":null}`)
  }
})

test.skipIf(!hasScript)('77: an answer over several lines stays one line, and its BOM goes', async ({ subject }) => {
  const { output } = await run(subject, linesOf(['[[pretty]]']))
  expect(output[0]?.response?.body).toMatchObject({ object: 'chat.completion', model })
  expect(output[0]?.raw).not.toContain('\uFEFF')
})

test.skipIf(!hasScript)('78: usage is the sum over the answers', async ({ subject }) => {
  const lines = threeLines()
  const { batch } = await run(subject, lines)
  const input = lines.prompts.reduce((sum, prompt) => sum + tokensOf(prompt).input, 0)
  const output = lines.prompts.reduce((sum, prompt) => sum + tokensOf(prompt).output, 0)
  expect(batch.usage).toMatchObject({
    input_tokens: input,
    input_tokens_details: { cached_tokens: 3 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 6 },
    total_tokens: input + output,
  })
})

test.skipIf(!hasScript)('79: the model is named once the batch runs', async ({ subject }) => {
  const id = await start(subject, linesOf(['[[wait g79]]']))
  const looks = await follow(subject, id, ({ status }) => status === 'in_progress')
  expect(looks.at(-1)?.model).toBe(model)
  await subject.backend.release('g79')
  expect((await followToEnd(subject, id)).model).toBe(model)
})

test.skipIf(!hasScript)(
  '80: a line that the backend refuses is in the error file, with the answer, and the batch completes',
  async ({ subject }) => {
    const { batch, errors } = await run(subject, linesOf(['', '[[400]]', '']))
    expect(batch.request_counts).toEqual({ total: 3, completed: 2, failed: 1 })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({
      custom_id: 'line-1',
      error: null,
      response: { status_code: 400, body: { error: { message: 'scripted 400', code: 'scripted_400' } } },
    })
  },
)

test.skipIf(!hasScript)('81: a batch all of whose lines are refused is completed, without an output', async ({ subject }) => {
  const { batch } = await run(subject, linesOf(times(3, '[[400]]')))
  expect(batch).toMatchObject({ output_file_id: null, request_counts: { total: 3, completed: 0, failed: 3 } })
})

test.skipIf(!hasScript).for(['429', '503', '500'])(
  '82: %s twice and then an answer: the line is in the output',
  async (status, { subject }) => {
    const lines = linesOf(['', `[[${status}x2]]`])
    const { batch } = await run(subject, lines)
    expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 })
    expect((await subject.backend.seen(lines.mark)).requests).toBe(4)
  },
)

test.skipIf(!hasScript)('82: Retry-After is honoured', async ({ subject }) => {
  const lines = linesOf(['[[429x2 after 1]]'])
  await run(subject, lines)
  const [at = []] = (await subject.backend.seen(lines.mark)).at.values()
  expect(at).toHaveLength(3)
  for (const i of [1, 2]) expect((at[i] ?? 0) - (at[i - 1] ?? 0)).toBeGreaterThanOrEqual(990)
})

test.skipIf(!hasScript)(
  '83: a line whose answer is always 500 ends with it, and the others finish',
  { timeout: 60_000 },
  async ({ subject }) => {
    const lines = linesOf(['', '[[500]]', ''])
    const { errors } = await run(subject, lines)
    expect(errors[0]).toMatchObject({ custom_id: 'line-1', response: { status_code: 500 }, error: null })
    expect((await subject.backend.seen(lines.mark)).requests).toBeLessThan(50)
  },
)

test.skipIf(!hasScript)(
  '83: a line that breaks its connection each time ends without an answer, and the others finish',
  { timeout: 60_000 },
  async ({ subject }) => {
    const { output, errors } = await run(subject, linesOf(['', '[[reset]]', '', '']))
    expect(output).toHaveLength(3)
    expect(errors[0]).toMatchObject({ custom_id: 'line-1', response: null, error: { code: 'backend_unreachable' } })
  },
)

test.skipIf(isRemote)('84: a line that is never answered ends as request_timeout', async () => {
  await using subject = await openLocal({ firstByteTimeout: '200ms', answerTimeout: '400ms', attempts: '2' })
  const { output, errors } = await run(subject, linesOf(['', '[[hang]]', '']))
  expect(output).toHaveLength(2)
  expect(errors[0]).toMatchObject({ custom_id: 'line-1', response: null, error: { code: 'request_timeout' } })
})

test.skipIf(!hasScript)(
  '85: an answer that is not JSON is no result, and the batch completes',
  { timeout: 60_000 },
  async ({ subject }) => {
    const { errors } = await run(subject, linesOf(['', '[[text]]', '[[text 404]]']))
    const byId = new Map(errors.map((error) => [error.custom_id, error]))
    expect(byId.get('line-1')).toMatchObject({ response: null, error: { code: 'invalid_response' } })
    expect(byId.get('line-2')).toMatchObject({
      error: null,
      response: { status_code: 404, body: { error: { message: '<html>not JSON</html>' } } },
    })
  },
)

test('86: lines of half a megabyte and of several, among short ones, each have their result', async ({ subject }) => {
  const long = (length: number) => 'x'.repeat(length)
  const { batch } = await run(subject, linesOf([700_000, 0, 700_000, 700_000, 3_000_000, 0, 1_048_576].map(long)))
  expect(batch.request_counts).toEqual({ total: 7, completed: 7, failed: 0 })
})

test.skipIf(!hasScript)(
  '86: over both files each custom_id is there once, whatever came of its line',
  { timeout: 60_000 },
  async ({ subject }) => {
    const scripts = ['', '', '', '[[400]]', '[[slow 30]]', '[[503x1]]', '[[429x1]]', '[[422]]', '[[text 418]]']
    const { output, errors } = await run(
      subject,
      linesOf(Array.from({ length: 900 }, (_, i) => scripts[i % scripts.length] ?? '')),
    )
    expect([output.length, errors.length]).toEqual([600, 300])
  },
)

test.skipIf(!hasScript).for([
  ['/v1/embeddings', 'list', { output_tokens: 0 }],
  ['/v1/responses', 'response', { output_tokens: 15, output_tokens_details: { reasoning_tokens: 6 } }],
  ['/v1/completions', 'text_completion', { output_tokens: 15 }],
] as const)('89: a batch of %s has bodies of its kind, and their usage', async ([endpoint, object, usage], { subject }) => {
  const lines = linesOf(['', '', ''], { url: endpoint })
  const { batch, output } = await run(subject, lines, endpoint)
  expect(output.map(({ response }) => response?.body.object)).toEqual([object, object, object])
  expect(batch.endpoint).toBe(endpoint)
  expect(batch.usage).toMatchObject(usage)
  expect(batch.usage.input_tokens).toBe(lines.prompts.join('').length)
})

test.skipIf(!hasScript)(
  '90: 50,000 lines complete, and lists and reads stay quick meanwhile',
  { timeout: 180_000 },
  async ({ subject }) => {
    const lines = linesOf(times(50_000))
    const id = await start(subject, lines)
    const took = { get: [] as number[], list: [] as number[] }
    const timed = async <T>(of: 'get' | 'list', ask: () => Promise<T>): Promise<T> => {
      const startedAt = performance.now()
      const answer = await ask()
      took[of].push(performance.now() - startedAt)
      return answer
    }
    const batch = await poll(
      async () => {
        await timed('list', () => listBatches(subject))
        return timed('get', () => getBatch(subject, id))
      },
      ({ status }) => terminal.includes(status),
      '50,000 lines',
      170_000,
    )
    expect(batch).toMatchObject({ status: 'completed', request_counts: { total: 50_000, completed: 50_000, failed: 0 } })
    const seen = parseResults(await getContent(subject, batch.output_file_id ?? '')).map(({ custom_id }) => custom_id)
    expect(seen.toSorted()).toEqual(lines.customIds.toSorted())
    // The suite, the backend, the server and other tests may share one core here: the usual answer must be quick, not each.
    const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)]
    expect(median(took.get)).toBeLessThan(300)
    expect(median(took.list)).toBeLessThan(300)
  },
)
