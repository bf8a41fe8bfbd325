import { execFileSync } from 'node:child_process'
import OpenAI from 'openai'
import { expect } from 'vitest'
import { startListener, type Heard, type Listener } from '../support/listener.ts'
import { followToEnd, poll } from './follow.ts'
import { linesOf } from './lines.ts'
import { onPostgres, type LocalSubject } from './local.ts'
import { run } from '../cli/program.ts'
import { findPython } from './python.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { call, cancel, create, expectRefused, post, upload, type Answer, type Batch, type Door } from './wire.ts'

interface Webhook {
  readonly id: string
  readonly url: string
  readonly secret: string
  readonly disabled_at: number | null
}
interface Delivery {
  readonly id: string
  readonly type: string
  readonly data: { readonly id: string }
  readonly state: string
  readonly attempts: number
  readonly next_at: number | null
  readonly last_status: number | null
  readonly last_error: string | null
}

const good = <T>(answer: Answer): T => {
  expect(answer.status, answer.text).toBe(200)
  return answer.json as T
}
/** A server that may call the listener, which is on this machine. */
const openFor = (...listeners: Listener[]): Promise<LocalSubject> =>
  openLocal({
    fetchAllow: '127.0.0.1',
    fetchPorts: ['80', '443', ...listeners.map(({ port }) => port)].join(),
    webhookTimeout: '2s',
  })
const hook = async (door: Door, url: string, more: object = {}): Promise<Webhook> =>
  good(await post(door, '/v1/webhooks', { url, ...more }))
const deliveries = async (door: Door, { id }: Webhook): Promise<readonly Delivery[]> =>
  good<{ data: Delivery[] }>(await call(door, 'GET', `/v1/webhooks/${id}/deliveries`)).data
const short = async (door: Door, content = ''): Promise<Batch> =>
  create(door, { input_file_id: (await upload(door, linesOf([content]).text)).id })
const ended = async (door: Door): Promise<Batch> => followToEnd(door, (await short(door)).id)
const cameTo = (listener: Listener, count: number): Promise<readonly Heard[]> =>
  poll(
    () => Promise.resolve([...listener.heard]),
    ({ length }) => length >= count,
    'it is told',
  )
const bodyOf = ({ body }: Heard) => JSON.parse(body) as { id: string; type: string; created_at: number; data: { id: string } }

test.skipIf(isRemote)('191: each end of a batch is told once, in OpenAI’s form, and the official clients read it', async () => {
  await using listener = await startListener()
  await using subject = await openFor(listener)
  const one = await hook(subject, listener.url)
  const completed = await ended(subject)
  const failed = await followToEnd(subject, (await create(subject, { input_file_id: (await upload(subject, '{}')).id })).id)
  const cancelled = await short(subject, '[[wait g191]]')
  await cancel(subject, cancelled.id)
  await subject.backend.release('g191')
  const heard = await cameTo(listener, 3)
  const of = (id: string) => heard.filter((h) => bodyOf(h).data.id === id).map((h) => bodyOf(h).type)
  expect([of(completed.id), of(failed.id), of(cancelled.id)]).toEqual([
    ['batch.completed'],
    ['batch.failed'],
    ['batch.cancelled'],
  ])
  for (const { body, headers, path } of heard) {
    expect(path).toBe('/hook?secret=in-the-query')
    expect(headers).not.toHaveProperty('authorization')
    expect(bodyOf({ body, headers, path }).id).toBe(headers['webhook-id'])
    const client = new OpenAI({ apiKey: 'none', webhookSecret: one.secret })
    expect(await client.webhooks.unwrap(body, headers)).toEqual(JSON.parse(body))
    await expect(client.webhooks.unwrap(`${body} `, headers)).rejects.toThrow('signature')
  }
  const python = findPython()
  if (python) {
    const script =
      'import json,sys,openai; a=json.load(sys.stdin); print(openai.OpenAI(api_key="none").webhooks.unwrap(a["body"], a["headers"], secret=a["secret"]).data.id)'
    const { body, headers } = heard[0]!
    const said = execFileSync(python, ['-c', script], { input: JSON.stringify({ body, headers, secret: one.secret }) })
    expect(said.toString().trim()).toBe(bodyOf(heard[0]!).data.id)
  }
  const slow = await short(subject, '[[wait h191]]')
  await subject.advance(24 * 3_600_000)
  await followToEnd(subject, slow.id)
  await subject.backend.release('h191')
  expect((await cameTo(listener, 4)).map((h) => bodyOf(h).type)).toContain('batch.expired')
  expect((await deliveries(subject, one)).map(({ state, attempts }) => [state, attempts])).toEqual(
    Array(4).fill(['delivered', 1]),
  )
})

test.skipIf(isRemote)('192: it is tried again under the same id until it is taken, and holds up no batch', async () => {
  await using listener = await startListener()
  await using subject = await openFor(listener)
  const one = await hook(subject, listener.url)
  listener.answer(503)
  const first = await ended(subject)
  await cameTo(listener, 1)
  const waiting = await poll(
    async () => (await deliveries(subject, one))[0],
    (d) => d?.last_status === 503,
    'the try is noted',
  )
  expect(waiting).toMatchObject({ type: 'batch.completed', data: { id: first.id }, state: 'waiting', attempts: 1 })
  expect((await ended(subject)).status, 'the next batch').toBe('completed')
  await poll(
    () => deliveries(subject, one),
    (all) => all.length === 2 && all.every(({ last_status: status }) => status === 503),
    'both were tried',
  )
  for (const [i, answer] of [302, null, 200].entries()) {
    listener.answer(answer, { location: `http://127.0.0.1:${listener.port}/elsewhere` })
    const count = listener.heard.length
    await subject.advance(15 * 3_600_000)
    await cameTo(listener, count + 2)
    await poll(
      () => deliveries(subject, one),
      (all) => all.every(({ attempts, next_at: next }) => attempts === i + 2 && (answer === 200 || next !== null)),
      'all were tried again',
    )
  }
  await poll(
    () => deliveries(subject, one),
    (all) => all.every(({ state }) => state === 'delivered'),
    'all are delivered',
  )
  expect(new Set(listener.heard.map(({ headers }) => headers['webhook-id'])).size).toBe(2)
  expect(new Set(listener.heard.map(({ body }) => body)).size, 'the same bytes each time').toBe(2)
  expect(new Set(listener.heard.map(({ path }) => path)).size, 'no redirect was followed').toBe(1)
})

test.skipIf(isRemote)('193: after the last try it has failed; it can be sent again by hand', async () => {
  await using listener = await startListener()
  await using subject = await openFor(listener)
  const one = await hook(subject, listener.url, { events: ['batch.completed'] })
  listener.answer(500)
  await ended(subject)
  const state = async () => (await deliveries(subject, one))[0]
  for (let tries = 1; tries < 8; tries++) {
    await poll(state, (d) => d?.attempts === tries && d.last_status === 500 && (d.next_at ?? 0) > 0, `try ${tries}`)
    await subject.advance(17 * 3_600_000)
    await cameTo(listener, tries + 1)
  }
  const failed = await poll(state, (d) => d?.state === 'failed', 'it has failed')
  expect(failed).toMatchObject({ attempts: 8, next_at: null, last_error: 'it answered 500' })
  listener.answer(200)
  const replayed = good<Delivery>(await post(subject, `/v1/webhooks/${one.id}/deliveries/${failed?.id}/replay`, {}))
  expect(replayed).toMatchObject({ id: failed?.id, state: 'waiting' })
  await poll(state, (d) => d?.state === 'delivered', 'it is delivered')
  expectRefused(await post(subject, `/v1/webhooks/${one.id}/deliveries/evt_none/replay`, {}), 404)
  await followToEnd(subject, (await create(subject, { input_file_id: (await upload(subject, '{}')).id })).id)
  expect(
    (await deliveries(subject, one)).map(({ type }) => type),
    'the others were not wanted',
  ).toEqual(['batch.completed'])
})

test.skipIf(isRemote)('194: a new secret signs beside the old one for a day', async () => {
  await using listener = await startListener()
  await using subject = await openFor(listener)
  const one = await hook(subject, listener.url)
  const turned = good<Webhook>(await post(subject, `/v1/webhooks/${one.id}/rotate`, {}))
  expect(turned.secret).not.toBe(one.secret)
  good(await post(subject, `/v1/webhooks/${one.id}/test`, {}))
  const [{ body, headers } = { body: '', headers: {} }] = await cameTo(listener, 1)
  expect(bodyOf({ path: '', body, headers })).toMatchObject({ type: 'webhook.test', data: { id: one.id } })
  for (const { secret } of [one, turned])
    expect(await new OpenAI({ apiKey: 'none' }).webhooks.unwrap(body, headers, secret)).toEqual(JSON.parse(body))
  await subject.advance(25 * 3_600_000)
  good(await post(subject, `/v1/webhooks/${one.id}/test`, {}))
  const [, later] = await cameTo(listener, 2)
  expect(later?.headers['webhook-signature']?.split(' ')).toHaveLength(1)
  const shown = [await call(subject, 'GET', '/v1/webhooks'), await call(subject, 'GET', `/v1/webhooks/${one.id}`)]
  for (const { text } of shown) expect(text, 'secrets are shown once').not.toContain('whsec_')
})

test.skipIf(isRemote)('195: it calls no address that a caller may not reach', async () => {
  await using listener = await startListener()
  await using subject = await openLocal()
  const refused = [
    'file:///etc/passwd',
    'ftp://example.com/',
    'nonsense',
    'http://user:word@example.com/',
    'http://127.0.0.1/',
    'http://localhost/',
    'http://[::1]/',
    'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/',
    'http://0x7f000001/',
    'http://[::ffff:127.0.0.1]/',
    'https://example.com:22/',
    listener.url,
  ]
  for (const url of refused) expectRefused(await post(subject, '/v1/webhooks', { url }), 400, { param: 'url' })
  expect(listener.heard).toEqual([])
  expectRefused(await post(subject, '/v1/webhooks', { url: 'https://example.com/', events: ['batch.done'] }), 400)
  const many = Array.from({ length: 30 }, (_, i) => post(subject, '/v1/webhooks', { url: `https://example.com/${i}` }))
  const statuses = (await Promise.all(many)).map(({ status }) => status)
  expect(statuses.toSorted((a, b) => a - b)).toEqual([...Array<number>(20).fill(200), ...Array<number>(10).fill(409)])
  expectRefused(await post(subject, '/v1/webhooks', { url: 'https://example.com/31' }), 409)
})

test.skipIf(isRemote)('196: one that says that it is gone is sent no more; another’s is as if it were not there', async () => {
  await using listener = await startListener()
  await using subject = await openFor(listener)
  const one = await hook(subject, listener.url)
  listener.answer(410)
  await ended(subject)
  const seen = async () => good<Webhook>(await call(subject, 'GET', `/v1/webhooks/${one.id}`))
  await poll(seen, ({ disabled_at: at }) => at !== null, 'it is turned off')
  await ended(subject)
  listener.answer(200)
  expect(good<Webhook>(await post(subject, `/v1/webhooks/${one.id}/enable`, {})).disabled_at).toBeNull()
  const last = await ended(subject)
  const heard = await cameTo(listener, 2)
  expect(heard.map((h) => bodyOf(h).data.id)[1]).toBe(last.id)

  const other = (await subject.newKey({ access: [{ project: 'other', rights: ['project:admin'] }] })).key
  const door = { ...subject, key: other }
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/rotate'],
    ['POST', '/enable'],
    ['POST', '/test'],
    ['GET', '/deliveries'],
    ['POST', '/deliveries/evt_1/replay'],
  ] as const) {
    const theirs = await call(door, method, `/v1/webhooks/${one.id}${path}`)
    const none = await call(door, method, `/v1/webhooks/${one.id.replace(/.$/, '!')}${path}`)
    expectRefused(theirs, 404)
    expect(theirs.text.replace(one.id, 'x')).toBe(none.text.replace(one.id.replace(/.$/, '!'), 'x'))
  }
  good(await call(subject, 'DELETE', `/v1/webhooks/${one.id}`))
  expectRefused(await call(subject, 'GET', `/v1/webhooks/${one.id}`), 404)
})

test.skipIf(isRemote || onPostgres)('198: a new signing key ends no secret before the old one is retired', async () => {
  await using listener = await startListener()
  await using subject = await openFor(listener)
  const one = await hook(subject, listener.url)
  let asked = 0
  const verifies = async (secret: string | undefined): Promise<boolean> => {
    good(await post(subject, `/v1/webhooks/${one.id}/test`, {}))
    const { body, headers } = (await cameTo(listener, ++asked)).at(-1) ?? { body: '', headers: {} }
    const read = new OpenAI({ apiKey: 'none' }).webhooks.unwrap(body, headers, secret ?? null)
    return read.then(
      () => true,
      () => false,
    )
  }
  const night = (...args: string[]) => run(['signing-key', ...args, '--data', subject.data])
  const done = async (...what: string[]): Promise<void> => {
    expect(await night(...what)).toMatchObject({ code: 0, err: '' })
  }
  await subject.restart({ whileOff: () => done('rotate') })
  expect(await verifies(one.secret), 'what a listener has is still good').toBe(true)
  const early = await night('retire')
  expect([early.code, early.err]).toEqual([2, expect.stringContaining(`(${one.id}): rotate each`)])
  expect((await night('rotate')).err).toContain('not retired yet')
  await subject.advance(60_000)
  const turned = good<Webhook>(await post(subject, `/v1/webhooks/${one.id}/rotate`, {}))
  expect([await verifies(turned.secret), await verifies(one.secret)]).toEqual([true, true])
  expect((await night('retire')).err, 'the old secret is good for a day').toContain(one.id)
  await subject.restart({ whileOff: () => done('retire', '--yes') })
  expect([await verifies(turned.secret), await verifies(one.secret)]).toEqual([true, false])
  expect((await night('retire')).err).toContain('no old signing key')
})

test.skipIf(isRemote)('197: a webhook that hangs holds up no other', async () => {
  await using stuck = await startListener()
  await using quick = await startListener()
  await using subject = await openFor(stuck, quick)
  stuck.answer(null)
  await hook(subject, stuck.url)
  await hook(subject, quick.url)
  const { text } = linesOf([''])
  const { id } = await upload(subject, text)
  for (let i = 0; i < 40; i++) await create(subject, { input_file_id: id })
  await cameTo(quick, 40)
  expect(stuck.heard.length, 'a few of them at once').toBeLessThan(40)
})
