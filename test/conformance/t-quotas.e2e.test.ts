import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { follow, followToEnd, poll } from './follow.ts'
import { line, linesOf, model, times } from './lines.ts'
import type { LocalSubject } from './local.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { call, cancel, create, expectRefused, post, tryCreate, tryUpload, upload, type Batch, type Door } from './wire.ts'

const window = { endpoint: '/v1/chat/completions', completion_window: '24h' }

/** What is used of each quota of the project. */
async function used(door: Door): Promise<Readonly<Record<string, number | null>>> {
  const answer = await call(door, 'GET', '/v1/quotas')
  expect(answer.status, answer.text).toBe(200)
  const { data } = answer.json as { data: { kind: string; model: string | null; used: number | null }[] }
  return Object.fromEntries(data.map((q) => [q.model === null ? q.kind : `${q.kind} of ${q.model}`, q.used]))
}

/** As an operator does. What the server knows of quotas is two seconds old at most. */
async function bound(subject: LocalSubject, kinds: Readonly<Record<string, number>>, ofModel?: string): Promise<void> {
  const { key } = await subject.newKey({ isOperator: true })
  for (const [kind, amount] of Object.entries(kinds)) {
    const answer = await post({ ...subject, key }, '/v1/admin/quotas', { kind, amount, ...(ofModel && { model: ofModel }) })
    expect(answer.status, answer.text).toBe(200)
  }
  await new Promise((resolve) => setTimeout(resolve, 2100))
}

/** Lines that wait at the backend, and are taken for about 1,000 tokens each: 975 of answer, and some of their own. */
const heavy = (count: number, mark: string): string =>
  times(count)
    .map((_, i) => `${line(`line-${i}`, `${i} [[wait ${mark}]]`, { body: { max_tokens: 975 } })}\n`)
    .join('')
const start = async (door: Door, text: string): Promise<Batch> => create(door, { input_file_id: (await upload(door, text)).id })
const runs = (door: Door, id: string) => follow(door, id, ({ status }) => status === 'in_progress')

async function expectOver(door: Door, text: string, says: string): Promise<void> {
  const { status, errors } = await followToEnd(door, (await start(door, text)).id)
  expect(status).toBe('failed')
  expect(errors?.data).toEqual([
    { code: 'token_limit_exceeded', message: expect.stringContaining(says) as string, param: null, line: null },
  ])
}

test.skipIf(isRemote)('211: as many batches are open as may be, however many are asked for at once', async () => {
  await using subject = await openLocal()
  await bound(subject, { open_batches: 5 })
  const asked = { ...window, input_file_id: (await upload(subject, linesOf(['[[wait g211]]']).text)).id }
  const keyed = (i: number) => ({ headers: { 'idempotency-key': `k${i}` } })
  const answers = await Promise.all(times(20).map((_, i) => tryCreate(subject, asked, keyed(i))))
  const made = answers.filter(({ status }) => status === 200)
  expect(made).toHaveLength(5)
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    expectRefused(answer, 429, { code: 'quota_exceeded', type: 'rate_limit_error' })
    expect(answer.headers.get('x-should-retry')).toBe('false')
  }
  const first = answers.findIndex(({ status }) => status === 200)
  const repeat = await tryCreate(subject, asked, keyed(first))
  expect((repeat.json as Batch).id, 'a repeat makes none').toBe((made[0]?.json as Batch | undefined)?.id)
  expect(await used(subject)).toEqual({ open_batches: 5 })
  await subject.backend.release('g211')
  for (const { json } of made) await followToEnd(subject, (json as Batch).id)
  expect((await tryCreate(subject, asked)).status, 'there is room again').toBe(200)
})

test.skipIf(isRemote)('212: enqueued tokens are bounded, and given back as lines end and when a batch is cancelled', async () => {
  await using subject = await openLocal()
  await bound(subject, { enqueued_tokens: 10_000 })
  await expectOver(subject, heavy(11, 'a212'), 'Enqueued token limit reached for all models')
  const running = await start(subject, heavy(6, 'b212'))
  await runs(subject, running.id)
  const six = (await used(subject)).enqueued_tokens ?? 0
  expect(Math.abs(six - 6 * 1000)).toBeLessThan(300)
  await expectOver(subject, heavy(6, 'c212'), 'Please try again once some in_progress batches have been completed')
  expect((await used(subject)).enqueued_tokens, 'one that failed holds nothing').toBe(six)
  const beside = await start(subject, heavy(3, 'd212'))
  await runs(subject, beside.id)
  await cancel(subject, beside.id)
  await followToEnd(subject, beside.id)
  expect((await used(subject)).enqueued_tokens, 'given back').toBe(six)
  await subject.backend.release('b212')
  await followToEnd(subject, running.id)
  expect((await used(subject)).enqueued_tokens).toBe(0)
  await subject.backend.release('d212')
})

test.skipIf(isRemote)(
  '213: of batches that are planned at once no more are enqueued than may be; a model may have a bound of its own',
  async () => {
    await using subject = await openLocal()
    await bound(subject, { enqueued_tokens: 3500 }, model)
    const { id } = await upload(subject, heavy(1, 'g213'))
    const made = await Promise.all(times(8).map(() => create(subject, { input_file_id: id })))
    const ends = await poll(
      async () => Promise.all(made.map(async (one) => (await call(subject, 'GET', `/v1/batches/${one.id}`)).json as Batch)),
      (all) => all.every(({ status }) => status !== 'validating'),
      'all are planned',
    )
    expect(ends.map(({ status }) => status).toSorted()).toEqual([...Array(5).fill('failed'), ...Array(3).fill('in_progress')])
    expect(ends.find(({ status }) => status === 'failed')?.errors?.data[0]?.message).toContain(`reached for ${model} in project`)
    expect((await used(subject))[`enqueued_tokens of ${model}`]).toBeGreaterThan(2900)
    await subject.backend.release('g213')
  },
)

test.skipIf(isRemote)('214: an estimate learns from what earlier batches took', async () => {
  await using subject = await openLocal()
  await bound(subject, { enqueued_tokens: 1_000_000 })
  const before = await start(subject, heavy(100, 'a214'))
  await runs(subject, before.id)
  const first = (await used(subject)).enqueued_tokens ?? 0
  await subject.backend.release('a214')
  const { usage } = await followToEnd(subject, before.id)
  expect(usage?.total_tokens ?? 0, 'its answers are short').toBeLessThan(first / 10)
  const after = await start(subject, heavy(100, 'b214'))
  await runs(subject, after.id)
  const second = (await used(subject)).enqueued_tokens ?? 0
  expect(second, 'most of the way').toBeLessThan(first / 4)
  expect(second).toBeGreaterThan(usage?.total_tokens ?? 0)
  await subject.backend.release('b214')
})

test.skipIf(isRemote)('215: who has used the tokens or the money of a day creates nothing more until the next', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-quotas-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const config = join(folder, 'nightshift.yaml')
  await writeFile(config, 'prices:\n  - { model: "*", from: 2026-01-01, input: 100, output: 100 }\n')
  await using subject = await openLocal({}, config)
  const { text } = linesOf(times(10))
  const { usage } = await followToEnd(subject, (await start(subject, text)).id)
  const tokens = usage?.total_tokens ?? 0
  const asked = { ...window, input_file_id: (await upload(subject, text)).id }
  for (const kind of ['tokens_day', 'tokens_month', 'cost_day', 'cost_month']) {
    const most = kind.startsWith('tokens') ? tokens : tokens * 50
    await bound(subject, { [kind]: most })
    expect((await used(subject))[kind]).toBe(most)
    const refused = await tryCreate(subject, asked)
    expectRefused(refused, 429, { code: 'quota_exceeded', message: expect.stringContaining(`'${kind}'`) as string })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    await bound(subject, { [kind]: 10 ** 12 })
  }
  await bound(subject, { tokens_day: tokens })
  await subject.advance(24 * 3_600_000)
  const next = await tryCreate(subject, { ...asked, input_file_id: (await upload(subject, linesOf(['']).text)).id })
  expect(next.status, 'the next day').toBe(200)
  await followToEnd(subject, (next.json as Batch).id)
  await bound(subject, { tokens_day: 2000 })
  await expectOver(subject, heavy(3, 'g215'), 'beyond its limit of 2000 tokens a day')
  await bound(subject, { tokens_day: 10 ** 12, cost_day: 100_000 })
  await expectOver(subject, heavy(3, 'h215'), 'beyond its limit of 0.1 eur a day')
  await bound(subject, { cost_day: 10 ** 12, cost_month: 1_000_000 })
  await expectOver(subject, heavy(30, 'i215'), 'beyond its limit of 1 eur a month')
  await bound(subject, { cost_month: 10 ** 12 })
  await bound(subject, { tokens_day: 1 }, 'another')
  await bound(subject, { tokens_day: 2000 }, 'night-1')
  await expectOver(subject, heavy(3, 'j215'), 'beyond its limit of 2000 tokens for night-1 a day')
})

test.skipIf(isRemote)('216: files, lines and storage are bounded', async () => {
  await using subject = await openLocal()
  const small = linesOf(['']).text
  const [file, batch] = [small.length + 200, 3]
  await bound(subject, { file_bytes: file, batch_lines: batch, storage_bytes: 3 * small.length })
  expectRefused(await tryUpload(subject, small + small.repeat(3)), 400, {
    message: expect.stringContaining(`At most ${file} bytes`) as string,
  })
  const answers = await Promise.all(times(8).map(() => tryUpload(subject, small)))
  const withStatus = (one: number) => answers.filter(({ status }) => status === one)
  expect([withStatus(200).length, withStatus(429).length]).toEqual([3, 5])
  expect(await used(subject)).toEqual({ batch_lines: null, file_bytes: null, storage_bytes: 3 * small.length })
  const [{ id } = { id: '' }] = answers.flatMap(({ status, json }) => (status === 200 ? [json as { id: string }] : []))
  expect((await call(subject, 'DELETE', `/v1/files/${id}`)).status).toBe(200)
  expect((await tryUpload(subject, small)).status, 'there is room again').toBe(200)
  const object = join(subject.bucket.folder, 'many.jsonl')
  await writeFile(object, linesOf(times(4)).text)
  const many = await create(subject, { input_file_id: `s3://${subject.bucket.name}/many.jsonl` })
  expect((await followToEnd(subject, many.id)).errors?.data.map(({ code }) => code)).toEqual(['file_too_large'])
  await bound(subject, { file_bytes: 1_000_000 })
  const again = await create(subject, { input_file_id: `s3://${subject.bucket.name}/many.jsonl` })
  expect((await followToEnd(subject, again.id)).errors?.data.map(({ code }) => code)).toEqual(['too_many_tasks'])
})

test.skipIf(isRemote)('217: operators set quotas, projects see their own', async () => {
  await using subject = await openLocal()
  await bound(subject, { open_batches: 7 })
  const operator = { ...subject, key: (await subject.newKey({ isOperator: true })).key }
  const ask = (body: object) => post(operator, '/v1/admin/quotas', body)
  expect((await ask({ project: 'other', kind: 'open_batches', amount: 1 })).status).toBe(200)
  expect(await used({ ...subject, key: subject.other?.key ?? '' })).toEqual({ open_batches: 0 })
  expectRefused(await ask({ kind: 'open_batches', amount: 1, model: 'm' }), 400, { param: 'model' })
  expectRefused(await ask({ project: 'none', kind: 'open_batches', amount: 1 }), 404)
  for (const body of [
    { kind: 'wishes', amount: 1 },
    { kind: 'open_batches', amount: -1 },
    { kind: 'open_batches', amount: 1.5 },
  ])
    expectRefused(await ask(body), 400)
  const admin = {
    ...subject,
    key: (await subject.newKey({ access: [{ project: subject.projectId, rights: ['project:admin'] }] })).key,
  }
  expect((await call(admin, 'GET', '/v1/admin/quotas')).status).toBe(200)
  expectRefused(await call(admin, 'GET', '/v1/admin/quotas?project=other'), 404)
  expectRefused(await post(admin, '/v1/admin/quotas', { kind: 'open_batches', amount: 9 }), 403, { code: 'missing_right' })
  expect((await call(operator, 'DELETE', '/v1/admin/quotas?kind=open_batches')).status).toBe(200)
  expectRefused(await call(operator, 'DELETE', '/v1/admin/quotas?kind=open_batches'), 404)
  expect(await used(subject)).toEqual({})
})
