import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { follow, followToEnd } from './follow.ts'
import { linesOf, times, type Lines } from './lines.ts'
import { readResults } from './results.ts'
import { test, hasBucket, hasScript, hasSecondKey, isRemote, openLocal, type Subject } from './subject.ts'
import { allBatches, call, cancel, create, expectRefused, post, upload, type Batch, type Door } from './wire.ts'

const end = async (door: Door, lines: Lines, creation: object = {}): Promise<Batch> =>
  followToEnd(door, (await create(door, { input_file_id: (await upload(door, lines.text)).id, ...creation })).id)

async function retry(door: Door, id: string, body: object | null = null, headers: Record<string, string> = {}): Promise<Batch> {
  const path = `/v1/batches/${id}/retry`
  const answer = body === null ? await call(door, 'POST', path, { headers }) : await post(door, path, body, { headers })
  expect(answer.status, answer.text).toBe(200)
  return answer.json as Batch
}

test.skipIf(!hasScript)(
  '151: what failed runs again, as a batch of the same kind that names the first; what went well does not',
  async ({ subject }) => {
    const lines = linesOf(['', '[[400x1]]', '', '[[400]]', '[[422x1]]'])
    const first = await end(subject, lines, { metadata: { team: 'night' } })
    const made = await retry(subject, first.id)
    expect(made).toMatchObject({
      status: 'validating',
      endpoint: first.endpoint,
      input_file_id: first.input_file_id,
      completion_window: first.completion_window,
      metadata: { team: 'night', retry_of: first.id },
    })
    const second = await followToEnd(subject, made.id)
    expect(second).toMatchObject({ status: 'completed', request_counts: { total: 3, completed: 2, failed: 1 } })
    const { output, errors } = await readResults(subject, second, ['line-1', 'line-3', 'line-4'])
    expect([output.map(({ custom_id }) => custom_id).toSorted(), errors.map(({ custom_id }) => custom_id)]).toEqual([
      ['line-1', 'line-4'],
      ['line-3'],
    ])
    expect((await subject.backend.seen(lines.mark)).at.get(lines.prompts[0] ?? '')).toHaveLength(1)
    const third = await followToEnd(subject, (await retry(subject, second.id)).id)
    expect(third.metadata).toEqual({ team: 'night', retry_of: second.id })
    await readResults(subject, third, ['line-3'])
  },
)

test.skipIf(!hasScript)('152: only those with a status, or a code', async ({ subject }) => {
  const first = await end(subject, linesOf(['[[400]]', '[[422]]', '[[422]]', '']))
  const some = await followToEnd(subject, (await retry(subject, first.id, { statuses: [422] })).id)
  await readResults(subject, some, ['line-1', 'line-2'])
  const none = await followToEnd(subject, (await retry(subject, first.id, { codes: ['batch_expired'] })).id)
  expect([none.status, none.errors?.data.map(({ code }) => code)]).toEqual(['failed', ['nothing_to_retry']])
})

test.skipIf(!hasScript)('153: of a cancelled batch, the lines that never ran', async ({ subject }) => {
  const lines = linesOf(['[[400]]', ...times(100, '[[wait g153]]')])
  const { id } = await create(subject, { input_file_id: (await upload(subject, lines.text)).id })
  expectRefused(await call(subject, 'POST', `/v1/batches/${id}/retry`), 409, {
    message: expect.stringContaining('wait for its end') as unknown as string,
  })
  await follow(subject, id, ({ request_counts }) => request_counts.failed === 1)
  await cancel(subject, id)
  await followToEnd(subject, id)
  await subject.backend.release('g153')
  const second = await followToEnd(subject, (await retry(subject, id, { codes: ['batch_cancelled'] })).id)
  expect(second.status).toBe('completed')
  expect(second.request_counts.completed).toBeGreaterThanOrEqual(100)
})

test('154: what cannot be retried is refused, and says why; the clients do not try again', async ({ subject }) => {
  const good = await end(subject, linesOf(['']))
  const bad = await followToEnd(subject, (await create(subject, { input_file_id: (await upload(subject, '{}\n')).id })).id)
  for (const [id, why] of [
    [good.id, 'no error file'],
    [bad.id, 'failed at its check'],
  ] as const) {
    const answer = await call(subject, 'POST', `/v1/batches/${id}/retry`)
    expect(expectRefused(answer, 409).message).toContain(why)
    expect(answer.headers.get('x-should-retry')).toBe('false')
  }
  const failed = await end(subject, linesOf(['[[400]]']))
  for (const [body, param] of [
    [{ codes: [] }, 'codes'],
    [{ statuses: ['500'] }, 'statuses.0'],
    [{ codes: 'a' }, 'codes'],
    [{ status: [500] }, 'status'],
  ] as const)
    expectRefused(await post(subject, `/v1/batches/${failed.id}/retry`, body), 400, { param })
  await call(subject, 'DELETE', `/v1/files/${failed.input_file_id}`)
  expect(expectRefused(await call(subject, 'POST', `/v1/batches/${failed.id}/retry`), 409).message).toContain(
    `its input ${failed.input_file_id} is gone`,
  )
})

test('155: the same retry twice, by its key, is one batch', async ({ subject }) => {
  const failed = await end(subject, linesOf(['[[400]]']))
  const headers = { 'idempotency-key': `again-${failed.id}` }
  const made = await retry(subject, failed.id, null, headers)
  expect((await retry(subject, failed.id, {}, headers)).id).toBe(made.id)
  expectRefused(await post(subject, `/v1/batches/${failed.id}/retry`, { statuses: [400] }, { headers }), 409)
  expect((await retry(subject, failed.id)).id).not.toBe(made.id)
})

test.skipIf(!hasSecondKey)(
  "156: another project's batch is as unknown as one that does not exist, and nothing is made",
  async ({ subject }) => {
    const failed = await end(subject, linesOf(['[[400]]']))
    const other = subject.other as Door
    const before = (await allBatches(other)).length
    const { message } = expectRefused(await call(other, 'GET', `/v1/batches/${failed.id}`), 404)
    expectRefused(await call(other, 'POST', `/v1/batches/${failed.id}/retry`), 404, { message })
    expect(await allBatches(other)).toHaveLength(before)
  },
)

async function endObject(subject: Subject, lines: Lines): Promise<{ batch: Batch; path: (name: string) => string }> {
  const path = (name: string) => join(subject.bucket?.folder ?? '', lines.mark, name)
  await mkdir(path('.'), { recursive: true })
  await writeFile(path('in.jsonl'), lines.text)
  const { id } = await create(subject, { input_file_id: `s3://${subject.bucket?.name}/${lines.mark}/in.jsonl` })
  return { batch: await followToEnd(subject, id), path }
}

test.skipIf(!hasBucket || !hasScript)(
  '157: of an object: its results lie beside it, with the id of the new batch in their names',
  async ({ subject }) => {
    const { batch } = await endObject(subject, linesOf(['', '[[400x1]]']))
    const second = await followToEnd(subject, (await retry(subject, batch.id)).id)
    expect(second).toMatchObject({
      status: 'completed',
      request_counts: { total: 1, completed: 1, failed: 0 },
      error_file_id: null,
    })
    expect(second.output_file_id).toBe(batch.input_file_id.replace('in.jsonl', `in-${second.id}-output.jsonl`))
  },
)

test.skipIf(!hasBucket || !hasScript)(
  '158: an object that has changed, or is gone, or whose error file is another, fails the batch and says so',
  async ({ subject }) => {
    const { batch, path } = await endObject(subject, linesOf(['', '[[400]]']))
    const codeOf = async () => {
      const { status, errors } = await followToEnd(subject, (await retry(subject, batch.id)).id)
      return [status, errors?.data[0]?.code]
    }
    await appendFile(path('in-error.jsonl'), '\n')
    expect(await codeOf()).toEqual(['failed', 'error_file_modified'])
    await appendFile(path('in.jsonl'), '\n')
    expect(await codeOf()).toEqual(['failed', 'input_modified'])
    await rm(path('in.jsonl'))
    expect(await codeOf()).toEqual(['failed', 'invalid_request'])
  },
)

test.skipIf(!hasScript)('159: metadata that is full stays as it is, without the link', async ({ subject }) => {
  const full = Object.fromEntries(times(16).map((_, i) => [`k${i}`, 'v']))
  const first = await end(subject, linesOf(['[[400]]']), { metadata: full })
  expect((await retry(subject, first.id)).metadata).toEqual(full)
  const again = await end(subject, linesOf(['[[400]]']), { metadata: { ...full, more: 'x' } }).catch(() => null)
  expect(again, 'seventeen pairs are refused').toBeNull()
})

test.skipIf(isRemote)('160: a window that is no longer offered is refused', async () => {
  const config = join(await mkdtemp(join(tmpdir(), 'nightshift-retry-')), 'nightshift.yaml')
  await writeFile(config, 'windows: [24h, 1h]\n')
  await using subject = await openLocal({}, config)
  const first = await end(subject, linesOf(['[[400]]']), { completion_window: '1h' })
  await subject.restart({ whileOff: () => writeFile(config, 'windows: [24h]\n') })
  expect(expectRefused(await call(subject, 'POST', `/v1/batches/${first.id}/retry`), 409).message).toContain('1h is no longer')
})
