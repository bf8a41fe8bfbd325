import OpenAI from 'openai'
import { expect } from 'vitest'
import { bigForm, megabytes, streamForm } from './big.ts'
import { follow, followToEnd, poll } from './follow.ts'
import { linesOf, threeLines, times, type Lines } from './lines.ts'
import { readResults } from './results.ts'
import { test, hasScript, isRemote, openLocal, type Subject } from './subject.ts'
import { call, cancel, create, expectRefused, getBatch, upload, type Batch } from './wire.ts'

const start = async (subject: Subject, lines: Lines): Promise<string> =>
  (await create(subject, { input_file_id: (await upload(subject, lines.text)).id })).id

const end = async (subject: Subject, lines: Lines): Promise<Batch> => followToEnd(subject, await start(subject, lines))

const neverRan = (code: string) => ({ response: null, error: { code } })

/** Starts a batch of which 4 lines are answered and the others hang at the backend, or have not been sent. */
async function fourDone(subject: Subject, held: number): Promise<{ id: string; lines: Lines }> {
  const lines = linesOf([...times(4), ...times(held, '[[hang]]')])
  const id = await start(subject, lines)
  await follow(subject, id, ({ request_counts }) => request_counts.completed === 4)
  return { id, lines }
}

test.skipIf(!hasScript)('105: a cancel keeps what is answered, and the backend gets nothing more', async ({ subject }) => {
  const { id, lines } = await fourDone(subject, 500)
  const atCancel = await cancel(subject, id)
  expect(atCancel).toMatchObject({ status: 'cancelling', cancelled_at: null, cancelling_at: expect.any(Number) as unknown })
  const batch = await followToEnd(subject, id, 10_000)
  const { requests, aborted } = await poll(
    () => subject.backend.seen(lines.mark),
    (seen) => seen.aborted === seen.requests - 4,
    'the calls that were open are closed',
  )
  expect(batch.status).toBe('cancelled')
  expect(batch.cancelling_at).toBe(atCancel.cancelling_at)
  expect(requests).toBeLessThan(504)
  expect(aborted).toBeGreaterThan(0)
  const { output, errors } = await readResults(subject, batch, lines.customIds)
  expect(output.map(({ custom_id }) => custom_id).toSorted()).toEqual(['line-0', 'line-1', 'line-2', 'line-3'])
  for (const error of errors) expect(error).toMatchObject(neverRan('batch_cancelled'))
  expect((await subject.backend.seen(lines.mark)).requests).toBe(requests)
})

test.skipIf(!hasScript).for([{ 'content-type': 'application/json' }, {}])(
  '106: a cancel with an empty body and headers %j',
  async (headers, { subject }) => {
    const id = await start(subject, linesOf(['[[hang]]']))
    const answer = await call(subject, 'POST', `/v1/batches/${id}/cancel`, { headers: headers as Record<string, string> })
    expect(answer.status, answer.text).toBe(200)
    await followToEnd(subject, id)
  },
)

test.skipIf(!hasScript)(
  '107: lines that did not run are in the error file as batch_cancelled, and are not counted as failed',
  async ({ subject }) => {
    const lines = linesOf(['', '[[400]]', '[[hang]]', '[[hang]]'])
    const id = await start(subject, lines)
    await follow(subject, id, ({ request_counts: { completed, failed } }) => completed + failed === 2)
    await cancel(subject, id)
    const batch = await followToEnd(subject, id)
    expect(batch.request_counts).toEqual({ total: 4, completed: 1, failed: 1 })
    const { errors } = await readResults(subject, batch, lines.customIds)
    expect(
      errors
        .filter(({ error }) => error?.code === 'batch_cancelled')
        .map(({ custom_id }) => custom_id)
        .toSorted(),
    ).toEqual(['line-2', 'line-3'])
  },
)

test('108: a batch that is cancelled while it is validated ends without files', { timeout: 120_000 }, async ({ subject }) => {
  const { text } = await streamForm(subject, bigForm({ bytes: 100 * megabytes }), { chunked: false })
  const { id } = await create(subject, { input_file_id: (JSON.parse(text) as { id: string }).id })
  const cancelling = await cancel(subject, id)
  expect(cancelling).toMatchObject({ status: 'cancelling', in_progress_at: null })
  const batch = await followToEnd(subject, id, 60_000)
  expect(batch).toMatchObject({
    status: 'cancelled',
    in_progress_at: null,
    output_file_id: null,
    error_file_id: null,
    request_counts: { total: 0, completed: 0, failed: 0 },
  })
})

test.skipIf(!hasScript)('109: a cancel while cancelling, and of what is cancelled, changes nothing', async ({ subject }) => {
  const { id } = await fourDone(subject, 3)
  const first = await cancel(subject, id)
  const second = await cancel(subject, id)
  expect(second.cancelling_at).toBe(first.cancelling_at)
  expect(['cancelling', 'cancelled']).toContain(second.status)
  const batch = await followToEnd(subject, id)
  expect(await cancel(subject, id)).toEqual(batch)
  expect(await getBatch(subject, id)).toEqual(batch)
})

const cannot = (status: string) => ({
  type: 'invalid_request_error',
  param: null,
  code: null,
  message: `Cannot cancel a batch with status '${status}'.`,
})

test('110: a cancel of what is completed or failed: 409, and the clients do not try again', async ({ subject }) => {
  const completed = await end(subject, threeLines())
  const { id } = await create(subject, { input_file_id: 'file-0000000000000000000000ab' })
  const failed = await followToEnd(subject, id)
  for (const batch of [completed, failed]) {
    const answer = await call(subject, 'POST', `/v1/batches/${batch.id}/cancel`)
    expectRefused(answer, 409, cannot(batch.status))
    expect(answer.headers.get('x-should-retry')).toBe('false')
    let calls = 0
    const counted: typeof fetch = (...asked) => (calls++, fetch(...asked))
    const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: subject.key, fetch: counted })
    await expect(client.batches.cancel(batch.id)).rejects.toMatchObject({ status: 409 })
    expect(calls).toBe(1)
    expect(await getBatch(subject, batch.id)).toEqual(batch)
  }
})

test.skipIf(isRemote)('111: a cancel of what has expired: 409', async () => {
  await using subject = await openLocal()
  const id = await start(subject, linesOf(['[[hang]]']))
  await follow(subject, id, ({ status }) => status === 'in_progress')
  await subject.advance(25 * 3_600_000)
  await followToEnd(subject, id)
  expectRefused(await call(subject, 'POST', `/v1/batches/${id}/cancel`), 409, cannot('expired'))
})

test('112: a cancel of an unknown batch: 404', async ({ subject }) => {
  const id = '01900000-0000-7000-8000-000000000000'
  expectRefused(await call(subject, 'POST', `/v1/batches/${id}/cancel`), 404, { message: `No batch found with id '${id}'.` })
})

test.skipIf(!hasScript)('113: of 20 cancels at once, one changes the batch', async ({ subject }) => {
  const { id, lines } = await fourDone(subject, 3)
  const answers = await Promise.all(times(20).map(() => cancel(subject, id)))
  expect(new Set(answers.map((batch) => batch.cancelling_at)).size).toBe(1)
  const batch = await followToEnd(subject, id)
  expect(batch.status).toBe('cancelled')
  await readResults(subject, batch, lines.customIds)
})

test.skipIf(!hasScript).for([0, 1, 2, 3, 4, 5])(
  '114: a cancel that races with the end leaves one ending (round %i)',
  async (round, { subject }) => {
    const gate = `g114-${round}-${performance.now()}`
    const lines = linesOf(times(20, `[[wait ${gate}]]`))
    const id = await start(subject, lines)
    await poll(
      () => subject.backend.seen(lines.mark),
      (seen) => seen.requests === 20,
      'all lines are in flight',
    )
    await subject.backend.release(gate)
    // The moment of the cancel moves over the time that answering, composing and publishing take.
    const until = performance.now() + round * 8
    await poll(
      async () => performance.now(),
      (now) => now >= until,
      'the moment of the cancel',
    )
    const answer = await call(subject, 'POST', `/v1/batches/${id}/cancel`)
    expect([200, 409]).toContain(answer.status)
    const batch = await followToEnd(subject, id)
    expect(batch.status).toBe(answer.status === 409 ? 'completed' : 'cancelled')
    await readResults(subject, batch, lines.customIds)
  },
)

test.skipIf(isRemote)('115: when the window ends, what is answered is kept and the rest has expired', async () => {
  await using subject = await openLocal()
  const { id, lines } = await fourDone(subject, 200)
  await subject.advance(24 * 3_600_000 + 1000)
  const batch = await followToEnd(subject, id)
  expect(batch).toMatchObject({ status: 'expired', request_counts: { total: 204, completed: 4, failed: 0 }, completed_at: null })
  expect(batch.expired_at).toBeGreaterThanOrEqual(batch.expires_at)
  const { output, errors } = await readResults(subject, batch, lines.customIds)
  expect(output).toHaveLength(4)
  for (const { response, error } of errors) {
    expect(response).toBeNull()
    expect(error).toEqual({
      code: 'batch_expired',
      message: 'This request could not be executed before the completion window expired.',
    })
  }
})

test.skipIf(isRemote)('116: a window that ended while the server was off ends soon after its start', async () => {
  await using subject = await openLocal()
  const { id, lines } = await fourDone(subject, 20)
  await subject.restart({ whileOff: () => subject.advance(25 * 3_600_000) })
  const batch = await followToEnd(subject, id, 5000)
  expect(batch.status).toBe('expired')
  const { output } = await readResults(subject, batch, lines.customIds)
  expect(output).toHaveLength(4)
})
