import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { namesUnder } from '../support/names-under.ts'
import { followToEnd, poll } from './follow.ts'
import { linesOf, model, times } from './lines.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { allBatches, create, expectRefused, post, upload, type Batch, type Door } from './wire.ts'

interface DryRun {
  readonly object: string
  readonly valid: boolean
  readonly errors: Batch['errors']
  readonly model: string | null
  readonly lines: number | null
  readonly bytes: number | null
  readonly estimated_tokens: { input: number; output: number; total: number } | null
  readonly estimated_cost: { value: number; currency: string } | null
  readonly expected_seconds: number | null
}

const ask = (door: Door, input: string, more: object = {}) =>
  post(door, '/v1/batches?dry_run=true', {
    input_file_id: input,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    ...more,
  })
async function dryRun(door: Door, input: string): Promise<DryRun> {
  const answer = await ask(door, input)
  expect(answer.status, answer.text).toBe(200)
  return answer.json as DryRun
}

test.skipIf(isRemote)('221: a dry run tells lines, tokens, cost and time, and makes nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-dry-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const config = join(folder, 'nightshift.yaml')
  await writeFile(config, 'prices:\n  - { model: "*", from: 2026-01-01, input: 1, output: 10 }\n')
  await using subject = await openLocal({}, config)
  for (const count of [3, 3000]) {
    const { text } = linesOf(times(count))
    const { id } = await upload(subject, text)
    const told = await dryRun(subject, id)
    expect(told).toMatchObject({
      object: 'batch.dry_run',
      valid: true,
      errors: null,
      model,
      lines: count,
      expected_seconds: null,
    })
    const { input, output, total } = told.estimated_tokens ?? { input: 0, output: 0, total: 0 }
    expect([output, total]).toEqual([count * 256, input + output])
    expect(Math.abs(input - text.length / 4)).toBeLessThan(text.length / 8)
    expect(told.estimated_cost).toEqual({
      value: expect.closeTo(((input + 10 * output) / 1e6) * 0.5, 9) as number,
      currency: 'eur',
    })
  }
  expect(await allBatches(subject)).toEqual([])
  expect((await namesUnder(join(subject.data, 'scratch'))).filter((name) => !name.endsWith('/'))).toEqual([])
  const { id } = await upload(subject, linesOf(times(50)).text)
  const { usage } = await followToEnd(subject, (await create(subject, { input_file_id: id })).id)
  const again = await dryRun(subject, id)
  expect(again.expected_seconds).toBeGreaterThanOrEqual(0)
  const first = 50 * 256
  expect(again.estimated_tokens?.total, 'it has learned').toBeLessThan(first)
  expect(again.estimated_tokens?.total).toBeGreaterThan(usage?.total_tokens ?? 0)
})

test.skipIf(isRemote)('222: what is wrong with a file is told as the batch would tell it', async () => {
  await using subject = await openLocal()
  const wrong = ['{"custom_id": 5}', 'nonsense', linesOf(['']).text.trim()].join('\n')
  const { id } = await upload(subject, `${linesOf(['']).text}${wrong}\n`)
  const failed = await followToEnd(subject, (await create(subject, { input_file_id: id })).id)
  const told = await dryRun(subject, id)
  expect([told.valid, told.lines, told.estimated_tokens]).toEqual([false, null, null])
  expect(told.errors).toEqual(failed.errors)
  expect((await dryRun(subject, 'file-none')).errors?.data[0]).toMatchObject({ code: 'invalid_request', param: 'file_id' })
  await writeFile(join(subject.bucket.folder, 'a.jsonl'), linesOf(['', '']).text)
  const object = `s3://${subject.bucket.name}/a.jsonl`
  expect((await dryRun(subject, object)).lines).toBe(2)
  expect(await namesUnder(subject.bucket.folder)).toEqual(['a.jsonl'])
  expect((await dryRun(subject, `s3://${subject.bucket.name}/b.jsonl`)).errors?.data[0]?.code).toBe('invalid_request')
  expectRefused(await ask(subject, 's3://none/b.jsonl'), 400, { param: 'input_file_id' })
  expectRefused(await ask(subject, id, { endpoint: '/v1/none' }), 400, { param: 'endpoint' })
  expectRefused(await ask({ ...subject, key: subject.other?.key ?? '' }, object), 400, { param: 'input_file_id' })
  expect((await dryRun({ ...subject, key: subject.other?.key ?? '' }, id)).errors?.data[0]?.code).toBe('invalid_request')
  const reader = (await subject.newKey({ access: [{ project: subject.projectId, rights: ['batches:read'] }] })).key
  expectRefused(await ask({ ...subject, key: reader }, id), 403, { code: 'missing_right' })
})

test.skipIf(isRemote)('223: only so many files are checked at once, and a client that goes ends its own', async () => {
  await using subject = await openLocal()
  const { id } = await upload(subject, linesOf(times(40_000)).text)
  const stop = new AbortController()
  const body = { input_file_id: id, endpoint: '/v1/chat/completions', completion_window: '24h' }
  const headers = { authorization: `Bearer ${subject.key}`, 'content-type': 'application/json' }
  const url = `${subject.baseUrl}/v1/batches?dry_run=true`
  const open = times(4).map(() =>
    fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal: stop.signal }).catch(() => null),
  )
  const refused = await poll(
    () => ask(subject, id),
    ({ status }) => status === 429,
    'there are four',
  )
  expectRefused(refused, 429, { code: 'too_many_dry_runs' })
  expect(refused.headers.get('retry-after')).toBe('5')
  stop.abort()
  await Promise.all(open)
  const after = await poll(
    () => ask(subject, id),
    ({ status }) => status === 200,
    'they ended',
  )
  expect(after.json).toMatchObject({ valid: true, lines: 40_000 })
})
