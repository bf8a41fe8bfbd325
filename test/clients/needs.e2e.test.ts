/** What other clients need, in our own words (contract 7.1); each is named by the client that breaks without it. 133, 135 and 136 of the conformance hold the rest. */
import { expect, test } from 'vitest'
import { follow, followToEnd } from '../conformance/follow.ts'
import { linesOf, threeLines, times } from '../conformance/lines.ts'
import { openLocal } from '../conformance/local.ts'
import { readResults } from '../conformance/results.ts'
import { call, cancel, create, expectRefused, getBatch, getFile, upload, type Batch, type File } from '../conformance/wire.ts'

const openAiStatuses = ['validating', 'failed', 'in_progress', 'finalizing', 'completed', 'expired', 'cancelling', 'cancelled']

test("Vercel's AI SDK: a part with its own name, type and expiry is taken; lines without an answer have a code and a message", async () => {
  await using subject = await openLocal()
  const lines = linesOf(['', '[[400]]', ...times(3, '[[hang]]')])
  const form = new FormData()
  form.append('purpose', 'batch')
  form.append('expires_after[anchor]', 'created_at')
  form.append('expires_after[seconds]', '172800')
  form.append('file', new File([lines.text], 'batch.jsonl', { type: 'application/jsonl' }))
  const answer = await fetch(`${subject.baseUrl}/v1/files`, {
    method: 'POST',
    headers: { authorization: `Bearer ${subject.key}` },
    body: form,
  })
  const file = (await answer.json()) as File
  expect(file).toMatchObject({ filename: 'batch.jsonl', expires_at: file.created_at + 172_800 })

  const { id } = await create(subject, { input_file_id: file.id })
  await follow(subject, id, ({ request_counts: { completed, failed } }) => completed + failed === 2)
  await cancel(subject, id)
  const { output, errors } = await readResults(subject, await followToEnd(subject, id), lines.customIds)
  for (const { response, error, raw } of [...output, ...errors])
    expect(
      response ? typeof response.status_code === 'number' : error?.code === 'batch_cancelled' && error.message !== '',
      raw,
    ).toBe(true)
})

test('curator: counts are there from the first answer on, a file is processed, and no status is one that it does not know', async () => {
  await using subject = await openLocal()
  const file = await upload(subject, threeLines().text)
  expect((await getFile(subject, file.id)).status).toBe('processed')
  const made = await create(subject, { input_file_id: file.id })
  expect(made.request_counts).toEqual({ total: 0, completed: 0, failed: 0 })
  const looks = await follow(subject, made.id, ({ status }) => status === 'completed')
  for (const { status, request_counts } of looks) {
    expect(openAiStatuses).toContain(status)
    expect(Object.values(request_counts).every(Number.isInteger)).toBe(true)
  }
})

test('curator: a batch that failed has no error file, and says why in its errors', async () => {
  await using subject = await openLocal()
  const batch = await followToEnd(subject, (await create(subject, { input_file_id: (await upload(subject, '{}\n')).id })).id)
  expect([batch.status, batch.error_file_id, batch.output_file_id]).toEqual(['failed', null, null])
  for (const { code, message } of batch.errors?.data ?? []) expect([typeof code, typeof message]).toEqual(['string', 'string'])
  expect(batch.errors?.data.length).toBeGreaterThan(0)
})

const endedWith = async (scripts: readonly string[]): Promise<Batch> => {
  await using subject = await openLocal()
  const { id } = await create(subject, { input_file_id: (await upload(subject, linesOf(scripts).text)).id })
  return await followToEnd(subject, id)
}

test('autobatcher and batchwork: completed without an output means that all failed, and one of the two files is always there', async () => {
  const all = await endedWith(['', ''])
  expect([all.status, all.output_file_id !== null, all.error_file_id]).toEqual(['completed', true, null])
  const none = await endedWith(['[[400]]', '[[422]]'])
  expect([none.status, none.output_file_id, none.error_file_id !== null]).toEqual(['completed', null, true])
})

test('autobatcher: while a batch runs its files are not named, and a file that is not there is 404', async () => {
  await using subject = await openLocal()
  const { id } = await create(subject, { input_file_id: (await upload(subject, linesOf(['', '[[wait needs]]']).text)).id })
  await follow(subject, id, ({ request_counts }) => request_counts.completed === 1)
  const running = await getBatch(subject, id)
  expect([running.status, running.output_file_id, running.error_file_id]).toEqual(['in_progress', null, null])
  expectRefused(await call(subject, 'GET', `/v1/files/file-${'0'.repeat(24)}/content`), 404)
  await subject.backend.release('needs')
  await followToEnd(subject, id)
})

test('batchling: a window of 1h, where the operator lists it', async () => {
  await using subject = await openLocal({ windows: '24h,1h' })
  const made = await create(subject, { input_file_id: (await upload(subject, threeLines().text)).id, completion_window: '1h' })
  expect((made.expires_at ?? 0) - made.created_at).toBe(3600)
  expect((await followToEnd(subject, made.id)).status).toBe('completed')
})
