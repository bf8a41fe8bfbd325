import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import type { UsageCompletionsParams } from 'openai/resources/admin/organization/usage'
import { expect } from 'vitest'
import { follow, followToEnd } from './follow.ts'
import { linesOf, model, times, type Lines } from './lines.ts'
import { test, hasScript, hasSecondKey, isRemote, openLocal } from './subject.ts'
import { call, cancel, create, expectRefused, upload, type Batch, type Door } from './wire.ts'

interface Row {
  readonly date?: string
  readonly project_id?: string
  readonly project_name?: string
  readonly model?: string
  readonly endpoint?: string
  readonly batches: number
  readonly requests: { completed: number; failed: number }
  readonly input_tokens: number
  readonly output_tokens: number
  readonly total_tokens: number
  readonly cost?: { value: number; currency: string } | null
}

const end = async (door: Door, lines: Lines, endpoint = '/v1/chat/completions'): Promise<Batch> =>
  followToEnd(door, (await create(door, { input_file_id: (await upload(door, lines.text)).id, endpoint })).id)

async function usage(door: Door, query = '', path = '/v1/usage'): Promise<readonly Row[]> {
  const answer = await call(door, 'GET', path + query)
  expect(answer.status, answer.text).toBe(200)
  return (answer.json as { data: readonly Row[] }).data
}

const sum = (batches: readonly Batch[], of: (batch: Batch) => number) => batches.reduce((n, batch) => n + of(batch), 0)

test.skipIf(isRemote)('171: usage is the sum over the batches that have ended, cancelled ones too', async () => {
  await using subject = await openLocal()
  const url = '/v1/embeddings'
  const ended = [
    await end(subject, linesOf(['', '[[400]]', ''])),
    await end(subject, linesOf(['', ''])),
    await end(subject, linesOf(times(4), { url }), url),
  ]
  const { id } = await create(subject, {
    input_file_id: (await upload(subject, linesOf(['', '[[wait g171]]']).text)).id,
  })
  await follow(subject, id, ({ request_counts }) => request_counts.completed === 1)
  expect((await usage(subject, '?group_by='))[0]?.batches, 'one that runs counts when it has ended').toBe(3)
  await cancel(subject, id)
  ended.push(await followToEnd(subject, id))
  await subject.backend.release('g171')

  const [all] = await usage(subject, '?group_by=')
  expect(all).toMatchObject({
    batches: 4,
    requests: { completed: sum(ended, (b) => b.request_counts.completed), failed: 1 },
    input_tokens: sum(ended, (b) => b.usage?.input_tokens ?? 0),
    output_tokens: sum(ended, (b) => b.usage?.output_tokens ?? 0),
    total_tokens: sum(ended, (b) => b.usage?.total_tokens ?? 0),
  })
  expect(all).not.toHaveProperty('cost')
  const byEndpoint = await usage(subject, '?group_by=endpoint,date')
  expect(byEndpoint.map(({ endpoint, batches }) => [endpoint, batches])).toEqual([
    ['/v1/chat/completions', 3],
    [url, 1],
  ])
  expect(byEndpoint[0]?.date).toMatch(/^\d{4}-\d\d-\d\d$/)
})

test.skipIf(isRemote)('172: cost goes by the price of the day, for a batch and for what was used', async () => {
  const config = join(await mkdtemp(join(tmpdir(), 'nightshift-prices-')), 'nightshift.yaml')
  await writeFile(
    config,
    'billing: { currency: EUR }\nprices:\n  - { model: "*", from: 2020-01-01, input: 0.5, output: 2 }\n  - { model: night-1, from: 2020-01-01, input: 99 }\n  - { model: night-1, from: 2021-06-01, input: 0.15, output: 0.6 }\n  - { model: night-1, from: 2999-01-01, input: 99 }\n',
  )
  await using subject = await openLocal({}, config)
  const batches = [await end(subject, linesOf(times(3))), await end(subject, linesOf(times(5)))]
  const value = ({ usage: u }: Pick<Batch, 'usage'>) => ((u?.input_tokens ?? 0) * 0.15 + (u?.output_tokens ?? 0) * 0.6) / 2 / 1e6
  const costs = batches.map((batch) => (batch as unknown as Row).cost)
  for (const [i, cost] of costs.entries()) {
    expect(cost?.currency).toBe('eur')
    expect(cost?.value).toBeCloseTo(value(batches[i] as Batch), 9)
  }
  const [row] = await usage(subject)
  expect(row?.cost?.value).toBeCloseTo((costs[0]?.value ?? 0) + (costs[1]?.value ?? 0), 9)
})

test.skipIf(!hasScript)("173: OpenAI's form: buckets of a day, page by page", async ({ subject }) => {
  const batch = await end(subject, linesOf(['', '']))
  const day = 86_400
  const start = Math.floor(Date.now() / 1000) - 2 * day
  const path = `/v1/organization/usage/completions?start_time=${start}&group_by[]=model&limit=2`
  const first = (await call(subject, 'GET', path)).json as {
    data: { start_time: number }[]
    has_more: boolean
    next_page: string
  }
  expect([first.data.length, first.has_more]).toEqual([2, true])
  const second = (await call(subject, 'GET', `${path}&page=${first.next_page}`)).json as unknown as {
    data: {
      start_time: number
      end_time: number
      results: { model: string; num_model_requests: number; input_tokens: number }[]
    }[]
    has_more: boolean
  }
  expect([second.data.length, second.has_more]).toEqual([1, false])
  const [today] = second.data
  expect((today?.end_time ?? 0) - (today?.start_time ?? 0)).toBe(day)
  const [result] = today?.results ?? []
  expect(result).toMatchObject({ object: 'organization.usage.completions.result', batch: true, api_key_id: null })
  expect(result?.num_model_requests).toBeGreaterThanOrEqual(2)
  expect(result?.input_tokens).toBeGreaterThanOrEqual(batch.usage?.input_tokens ?? 0)
})

test.skipIf(isRemote)("173: OpenAI's filters bound what is told, as its client writes them and without brackets", async () => {
  await using subject = await openLocal()
  const { id: keyId, key } = await subject.newKey({ access: [{ project: subject.projectId }] })
  await end(subject, linesOf(['']))
  await end({ ...subject, key }, linesOf(times(2)))
  await end({ ...subject, key }, linesOf(times(4), { body: { model: 'night-2' } }))
  const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: subject.key, adminAPIKey: subject.key })
  const start_time = Math.floor(Date.now() / 1000) - 86_400
  const requests = (data: readonly { readonly results: readonly unknown[] }[]) =>
    data.flatMap(({ results }) => results as { num_model_requests: number }[]).reduce((n, r) => n + r.num_model_requests, 0)
  const expectOf = async (filter: Partial<UsageCompletionsParams>, expected: number) => {
    const page = await client.admin.organization.usage.completions({ start_time, ...filter })
    expect(requests(page.data), JSON.stringify(filter)).toBe(expected)
    const bare = new URLSearchParams({ start_time: String(start_time) })
    for (const [name, values] of Object.entries(filter)) for (const value of [values].flat()) bare.append(name, String(value))
    const { json } = await call(subject, 'GET', `/v1/organization/usage/completions?${bare.toString()}`)
    expect(requests((json as unknown as typeof page).data), bare.toString()).toBe(expected)
  }
  await expectOf({}, 7)
  await expectOf({ models: ['night-2'] }, 4)
  await expectOf({ models: [model, 'night-2', 'none'] }, 7)
  await expectOf({ models: ['none'] }, 0)
  await expectOf({ api_key_ids: [keyId] }, 6)
  await expectOf({ api_key_ids: [keyId], models: [model] }, 2)
  await expectOf({ project_ids: [subject.projectId] }, 7)
  await expectOf({ batch: true }, 7)
  await expectOf({ batch: false }, 0)
})

test.skipIf(!hasSecondKey)(
  '174: the usage of a project that is not that of the key is refused like that of none',
  async ({ subject }) => {
    const asked = async (id: string) =>
      call(subject, 'GET', `/v1/organization/usage/completions?start_time=1&project_ids[]=${id}`)
    const [theirs, none] = [await asked(subject.other?.projectId ?? ''), await asked('none')]
    expectRefused(theirs, 400, { param: 'project_ids' })
    expect(theirs.text).toBe(none.text)
  },
)

test.skipIf(!hasSecondKey)('174: the usage of another project is not seen', async ({ subject }) => {
  await end(subject, linesOf(['']))
  expect(await usage(subject.other as Door, '?group_by=')).toEqual([])
})

test.skipIf(isRemote)('174: an operator sees who used what, over all projects or of one', async () => {
  await using subject = await openLocal()
  const other = subject.other as Door & { readonly projectId: string }
  const [mine, theirs] = [await end(subject, linesOf(['', ''])), await end(other, linesOf(['']))]
  const operator = { ...subject, key: (await subject.newKey({ isOperator: true })).key }
  const ofAll = (query: string) => usage(operator, query, '/v1/admin/usage')
  const shown = (rows: readonly Row[]) => new Map(rows.map((row) => [row.project_id, [row.project_name, row.requests.completed]]))
  expect(shown(await ofAll('?group_by=project_id'))).toEqual(
    new Map([
      [subject.projectId, ['default', 2]],
      [other.projectId, ['other', 1]],
    ]),
  )
  const [all] = await ofAll('?group_by=')
  expect(all).toMatchObject({ batches: 2, input_tokens: sum([mine, theirs], (b) => b.usage?.input_tokens ?? 0) })
  expect(all).not.toHaveProperty('project_id')
  for (const project of ['other', other.projectId]) {
    const rows = await ofAll(`?project=${project}`)
    expect(rows).toMatchObject([{ project_id: other.projectId, project_name: 'other', model, batches: 1 }])
    expect(rows[0]?.date).toMatch(/^\d{4}-\d\d-\d\d$/)
  }
  expectRefused(await call(operator, 'GET', '/v1/admin/usage?project=none'), 404)
  expectRefused(await call(operator, 'GET', '/v1/admin/usage?group_by=colour'), 400, { param: 'group_by' })
  expectRefused(await call(subject, 'GET', '/v1/admin/usage'), 403, { code: 'missing_right' })
  expectRefused(await call(subject, 'GET', '/v1/usage?group_by=project_id'), 400, { param: 'group_by' })
})

test.for([
  ['/v1/usage?start=yesterday', 'start'],
  ['/v1/usage?end=2026-02-30', 'end'],
  ['/v1/usage?start=2026-02-02&end=2026-02-01', 'start'],
  ['/v1/usage?group_by=colour', 'group_by'],
  ['/v1/organization/usage/completions', 'start_time'],
  ['/v1/organization/usage/completions?start_time=x', 'start_time'],
  ['/v1/organization/usage/completions?start_time=1&bucket_width=1h', 'bucket_width'],
  ['/v1/organization/usage/completions?start_time=1&limit=99', 'limit'],
  ['/v1/organization/usage/completions?start_time=1&group_by=user_id', 'group_by'],
  ['/v1/organization/usage/completions?start_time=1&user_ids[]=u', 'user_ids'],
  ['/v1/organization/usage/completions?start_time=1&batch=perhaps', 'batch'],
  ['/v1/organization/usage/embeddings?start_time=1&colours[]=red', 'colours'],
  ['/v1/organization/usage/completions?start_time=1&models[0]=m', 'models[0]'],
] as const)('175: %s is refused, and says why', async ([path, param], { subject }) => {
  expectRefused(await call(subject, 'GET', path), 400, { param })
})

test('175: a kind of usage that there is not is 404', async ({ subject }) => {
  expectRefused(await call(subject, 'GET', '/v1/organization/usage/vector_stores?start_time=1'), 404)
})
