import { expect } from 'vitest'
import { bigForm, streamForm } from './big.ts'
import { followToEnd } from './follow.ts'
import { threeLines } from './lines.ts'
import { test } from './subject.ts'
import {
  allBatches,
  call,
  cancel,
  create,
  expectRefused,
  getBatch,
  getFile,
  listBatches,
  post,
  tryCreate,
  upload,
  type Answer,
  type Creation,
  type Door,
} from './wire.ts'

const keys = [
  'id',
  'object',
  'endpoint',
  'model',
  'errors',
  'input_file_id',
  'completion_window',
  'status',
  'output_file_id',
  'error_file_id',
  'created_at',
  'in_progress_at',
  'expires_at',
  'finalizing_at',
  'completed_at',
  'failed_at',
  'expired_at',
  'cancelling_at',
  'cancelled_at',
  'request_counts',
  'usage',
  'metadata',
]

/** A file that is there, so that what is refused is refused for its own sake. */
const inputOf = async (door: Door): Promise<string> => (await upload(door, threeLines().text)).id

const idsOf = async (door: Door) => (await listBatches(door)).data.map(({ id }) => id)

/** The create is refused, and no batch comes of it. */
async function expectNoBatch(door: Door, change: Partial<Creation>, error: Parameters<typeof expectRefused>[2]): Promise<void> {
  const before = await idsOf(door)
  expectRefused(await tryCreate(door, { input_file_id: await inputOf(door), ...change }), 400, error)
  expect(await idsOf(door)).toEqual(before)
}

test('40: create answers 200 with all 22 keys', async ({ subject }) => {
  const input = await inputOf(subject)
  const batch = await create(subject, { input_file_id: input })
  expect(Object.keys(batch).toSorted()).toEqual(keys.toSorted())
  expect(['validating', 'in_progress']).toContain(batch.status)
  expect(batch).toMatchObject({
    object: 'batch',
    endpoint: '/v1/chat/completions',
    input_file_id: input,
    completion_window: '24h',
    errors: null,
    output_file_id: null,
    error_file_id: null,
    completed_at: null,
    failed_at: null,
    expired_at: null,
    cancelling_at: null,
    cancelled_at: null,
    metadata: null,
    expires_at: batch.created_at + 86_400,
    usage: {
      input_tokens: 0,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 0,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 0,
    },
  })
  expect(Object.keys(batch.request_counts).toSorted()).toEqual(['completed', 'failed', 'total'])
  expect(Number.isInteger(batch.created_at)).toBe(true)
  expect(Object.keys(await followToEnd(subject, batch.id)).toSorted()).toEqual(keys.toSorted())
})

test('41: create answers within a second whatever the size of the input', { timeout: 120_000 }, async ({ subject }) => {
  const { text } = await streamForm(subject, bigForm({ bytes: 199_000_000 }), { chunked: false })
  const { id } = JSON.parse(text) as { id: string }
  const startedAt = performance.now()
  const batch = await create(subject, { input_file_id: id })
  expect(performance.now() - startedAt).toBeLessThan(1000)
  await cancel(subject, batch.id)
  await followToEnd(subject, batch.id, 60_000)
})

test.for(['input_file_id', 'endpoint', 'completion_window'])(
  '42: without %s: missing_required_parameter',
  async (field, { subject }) => {
    await expectNoBatch(
      subject,
      { [field]: undefined },
      {
        type: 'invalid_request_error',
        code: 'missing_required_parameter',
        param: field,
        message: `Missing required parameter: '${field}'.`,
      },
    )
  },
)

test('43: an unknown endpoint is refused with the list of those there are', async ({ subject }) => {
  const answer = await tryCreate(subject, { input_file_id: await inputOf(subject), endpoint: '/v1/nope' })
  const { message } = expectRefused(answer, 400, { param: 'endpoint', code: 'invalid_value' })
  expect(message).toMatch(/^Invalid value: '\/v1\/nope'\. Supported values are: /)
  for (const endpoint of ['/v1/chat/completions', '/v1/responses', '/v1/embeddings']) expect(message).toContain(`'${endpoint}'`)
})

test('44: the audio endpoint is taken; another of which nobody knows is not', async ({ subject }) => {
  const made = await create(subject, { input_file_id: await inputOf(subject), endpoint: '/v1/audio/transcriptions' })
  expect(made).toMatchObject({ endpoint: '/v1/audio/transcriptions', usage: { type: 'duration', seconds: 0 } })
  await expectNoBatch(subject, { endpoint: '/v1/audio/speech' }, { param: 'endpoint', code: 'invalid_value' })
})

test.for(['1h', '48h', '', '24H', 24, null])('45: a window of %j is refused', async (completion_window, { subject }) => {
  await expectNoBatch(subject, { completion_window: completion_window as string }, { param: 'completion_window' })
})

const metadataOf = (n: number) =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`${i}`.padEnd(64, 'k'), 'v'.repeat(512)]))

test('46: metadata at its limits comes back exactly on create, get and list', async ({ subject }) => {
  const metadata = { ...metadataOf(15), 'ключ "1"': 'ü\n\u0000' }
  const batch = await create(subject, { input_file_id: await inputOf(subject), metadata })
  expect(batch.metadata).toEqual(metadata)
  expect((await getBatch(subject, batch.id)).metadata).toEqual(metadata)
  expect((await listBatches(subject, '?limit=1')).data[0]?.metadata).toEqual(metadata)
})

test.for([
  ['17 pairs', metadataOf(17)],
  ['a key of 65 characters', { ['k'.repeat(65)]: 'v' }],
  ['a value of 513 characters', { k: 'v'.repeat(513) }],
] as const)('47: metadata with %s is refused', async ([, metadata], { subject }) => {
  await expectNoBatch(subject, { metadata }, { param: expect.stringMatching(/^metadata/) as unknown as string })
})

test.for([
  ['an array', ['a']],
  ['a number', 1],
  ['an object', { a: 1 }],
  ['null', null],
] as const)('48: metadata whose value is %s: invalid_type', async ([, value], { subject }) => {
  await expectNoBatch(subject, { metadata: { k: value } }, { code: 'invalid_type', param: 'metadata.k' })
})

test('48: the message names what was expected and what came', async ({ subject }) => {
  const answer = await tryCreate(subject, { input_file_id: await inputOf(subject), metadata: { k: [] } })
  expectRefused(answer, 400, { message: `Invalid type for 'metadata.k': expected a string, but got an array instead.` })
})

test('49: metadata null and left out are both null', async ({ subject }) => {
  const input_file_id = await inputOf(subject)
  expect((await create(subject, { input_file_id, metadata: null })).metadata).toBeNull()
  expect((await create(subject, { input_file_id })).metadata).toBeNull()
})

test.for([3600, 2_592_000])(
  '50: an output that expires after %i s counts them from its own creation',
  async (seconds, { subject }) => {
    const output_expires_after = { anchor: 'created_at', seconds }
    const { id } = await create(subject, { input_file_id: await inputOf(subject), output_expires_after })
    const batch = await followToEnd(subject, id)
    const output = await getFile(subject, batch.output_file_id ?? '')
    expect(output.expires_at).toBe(output.created_at + seconds)
  },
)

test.for([
  { anchor: 'created_at', seconds: 3599 },
  { anchor: 'created_at', seconds: 2_592_001 },
  { anchor: 'created_at', seconds: '3600' },
  { anchor: 'created_at' },
  { anchor: 'now', seconds: 3600 },
  { seconds: 3600 },
])('51: output_expires_after %j is refused', async (output_expires_after, { subject }) => {
  await expectNoBatch(
    subject,
    { output_expires_after },
    { param: expect.stringMatching(/^output_expires_after/) as unknown as string },
  )
})

test('52: an unknown field at the top is ignored', async ({ subject }) => {
  await create(subject, { input_file_id: await inputOf(subject), never_heard_of: { a: 1 } })
})

test('53: a file that does not exist: 200, and then the batch fails', async ({ subject }) => {
  const { id } = await create(subject, { input_file_id: 'file-0000000000000000000000ab' })
  const batch = await followToEnd(subject, id)
  expect(batch.status).toBe('failed')
  expect(batch.errors?.data[0]).toMatchObject({
    code: 'invalid_request',
    param: 'file_id',
    line: null,
    message: expect.stringMatching(/^Cannot find file file-0000000000000000000000ab/) as unknown,
  })
})

test('54: a file of another purpose is never processed', async ({ subject }) => {
  const file = await upload(subject, threeLines().text, { purpose: 'user_data' })
  const answer = await tryCreate(subject, { input_file_id: file.id })
  if (answer.status === 400) return
  expect(answer.status, answer.text).toBe(200)
  expect((await followToEnd(subject, (answer.json as { id: string }).id)).status).toBe('failed')
})

test('55: the same Idempotency-Key and body: the same batch; another body: 409', async ({ subject }) => {
  const input_file_id = await inputOf(subject)
  const headers = { 'idempotency-key': `k-${input_file_id}` }
  const first = await create(subject, { input_file_id }, { headers })
  const second = await create(subject, { input_file_id }, { headers })
  expect(second.id).toBe(first.id)
  const other = await tryCreate(subject, { input_file_id, metadata: { a: 'b' } }, { headers })
  expectRefused(other, 409)
  expect(other.headers.get('x-should-retry')).toBe('false')
  const made = (await allBatches(subject)).filter((batch) => batch.input_file_id === input_file_id)
  expect(made).toHaveLength(1)
})

test('55: creates with one Idempotency-Key at the same moment make one batch', async ({ subject }) => {
  const input_file_id = await inputOf(subject)
  const headers = { 'idempotency-key': `p-${input_file_id}` }
  const created = await Promise.all(Array.from({ length: 8 }, () => create(subject, { input_file_id }, { headers })))
  expect(new Set(created.map((batch) => batch.id)).size).toBe(1)
})

test('55: another Idempotency-Key is another batch, also when its create is a repeat', async ({ subject }) => {
  const input_file_id = await inputOf(subject)
  const withKey = (key: string, retry = 0) =>
    create(
      subject,
      { input_file_id },
      { headers: { 'idempotency-key': `${key}-${input_file_id}`, 'x-stainless-retry-count': `${retry}` } },
    )
  const [first, second, again] = [await withKey('a'), await withKey('b', 1), await withKey('b', 2)]
  expect(second.id).not.toBe(first.id)
  expect(again.id).toBe(second.id)
})

test('a create says what is wrong with a body of the wrong shape', async ({ subject }) => {
  const refused = async (body: unknown): Promise<Answer> => post(subject, '/v1/batches', body)
  expectRefused(await refused({ input_file_id: 1, endpoint: '/v1/chat/completions', completion_window: '24h' }), 400, {
    param: 'input_file_id',
  })
  expectRefused(await refused({ input_file_id: await inputOf(subject), endpoint: [], completion_window: '24h' }), 400, {
    param: 'endpoint',
  })
  expectRefused(await call(subject, 'POST', '/v1/batches'), 400)
})
