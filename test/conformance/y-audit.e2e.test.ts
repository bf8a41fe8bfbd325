import { expect } from 'vitest'
import { poll } from './follow.ts'
import { linesOf, times } from './lines.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { call, cancel, create, getBatch, post, upload, type Door } from './wire.ts'

interface Entry {
  readonly id: string
  readonly at: number
  readonly project: string | null
  readonly key: string | null
  readonly operation: string
  readonly target: string | null
  readonly address: string
  readonly status: number
}
const entriesOf = async (door: Door, query = '') => {
  const answer = await call(door, 'GET', `/v1/admin/audit${query}`)
  expect(answer.status, answer.text).toBe(200)
  return answer.json as { data: Entry[]; has_more: boolean; last_id: string | null }
}
const told = ({ operation, target, status }: Entry) => `${operation} ${target ?? '-'} ${status}`

test.skipIf(isRemote)('261: who changed what, who was refused, from where; nothing of what was only read', async () => {
  await using subject = await openLocal()
  const operator = { ...subject, key: (await subject.newKey({ isOperator: true, access: [{ project: subject.projectId, rights: ['project:admin'] }] })).key } // prettier-ignore
  const file = await upload(subject, linesOf(['[[wait end]]']).text)
  const batch = await create(subject, { input_file_id: file.id })
  await getBatch(subject, batch.id)
  await cancel(subject, batch.id)
  const made = (await post(operator, '/v1/admin/keys', { name: 'ci' })).json as { id: string; key: string }
  await call(operator, 'GET', '/v1/batches')
  await call(subject, 'GET', '/v1/batches', { key: 'ns-wrong' })
  await post(operator, '/v1/admin/quotas', { kind: 'open_batches', amount: 5 })
  await call(operator, 'DELETE', `/v1/admin/keys/${made.id}`)
  const { data } = await poll(
    () => entriesOf(operator),
    ({ data: all }) => all.length >= 8,
    'all is written down',
  )
  expect(data.map(told)).toEqual([
    `admin.keys.revoke ${made.id} 200`,
    'admin.quotas.set open_batches 200',
    'batches.list - 401',
    'batches.list - 403',
    `admin.keys.create ${made.id} 200`,
    `batches.cancel ${batch.id} 200`,
    `batches.create ${batch.id} 200`,
    `files.upload ${file.id} 200`,
  ])
  const [revoked, , stranger, forbidden, , cancelled] = data as [Entry, Entry, Entry, Entry, Entry, Entry]
  expect(stranger).toMatchObject({ project: null, key: null, address: '127.0.0.1' })
  expect(forbidden).toMatchObject({ project: subject.projectId, key: revoked.key })
  expect(cancelled.key).not.toBe(revoked.key)
  expect(Math.abs(cancelled.at - Date.now() / 1000)).toBeLessThan(60)
  expect(JSON.stringify(data)).not.toMatch(/ns-/)
  const first = await entriesOf(operator, '?limit=3')
  const second = await entriesOf(operator, `?limit=10&after=${first.last_id}`)
  expect([...first.data, ...second.data]).toEqual(data)
  expect([first.has_more, second.has_more]).toEqual([true, false])
})

test.skipIf(isRemote)(
  '264: a key that is refused is named: for a project that is not its own, and after it was revoked',
  async () => {
    await using subject = await openLocal()
    const { other } = subject
    if (!other) throw new Error('there is no second project')
    const operator = { ...subject, key: (await subject.newKey({ isOperator: true })).key }
    const made = (await post(operator, '/v1/admin/keys', { name: 'ci', access: [{ project: subject.projectId }] })).json as { id: string; key: string } // prettier-ignore
    const withMade = { ...subject, key: made.key }
    expect((await call(withMade, 'GET', `/${other.projectId}/v1/batches`)).status).toBe(403)
    expect((await call(withMade, 'GET', `/${crypto.randomUUID()}/v1/files`)).status).toBe(403)
    await call(operator, 'DELETE', `/v1/admin/keys/${made.id}`)
    await poll(
      () => call(withMade, 'GET', '/v1/models'),
      ({ status }) => status === 401,
      'the key is refused',
    )
    const { data } = await poll(
      () => entriesOf(operator),
      ({ data: all }) => all.some(({ status }) => status === 401),
      'it is written down',
    )
    const refused = data.filter(
      ({ status, operation }) => status === 401 || (status === 403 && /^(batches|files)/.test(operation)),
    )
    expect(refused.map(({ operation, status, key, project }) => [operation, status, key, project])).toEqual([
      ['models.list', 401, made.id, subject.projectId],
      ['files.list', 403, made.id, subject.projectId],
      ['batches.list', 403, made.id, subject.projectId],
    ])
  },
)

test.skipIf(isRemote)('262: an administrator sees what was done in their project alone; strangers fill no table', async () => {
  await using subject = await openLocal()
  const { other } = subject
  if (!other) throw new Error('there is no second project')
  const access = [{ project: subject.projectId, rights: ['project:admin'] }]
  const administrator = { ...subject, key: (await subject.newKey({ access })).key }
  const operator = { ...subject, key: (await subject.newKey({ isOperator: true })).key }
  const ours = await upload(subject, linesOf(['']).text)
  const theirs = await upload(other, linesOf(['']).text)
  await Promise.all(times(300).map(() => call(subject, 'GET', '/v1/batches', { key: 'ns-wrong' })))
  await upload(subject, linesOf(['']).text)
  await poll(
    () => entriesOf(operator, '?limit=1000'),
    ({ data }) => data.filter(({ operation }) => operation === 'files.upload').length === 3,
    'all is written down',
  )
  const all = await entriesOf(operator, '?limit=1000')
  expect(all.data.filter(({ status }) => status === 401)).toHaveLength(100)
  const given = (await post(operator, '/v1/admin/keys', { name: 'k', access: [{ project: other.projectId }] })).json as {
    id: string
  }
  const inTheirs = await poll(
    () => entriesOf(operator, `?project=${other.projectId}`),
    ({ data }) => data.some(({ target }) => target === given.id),
    'what an operator does in a project stands there',
  )
  expect(inTheirs.data.map(({ target }) => target)).toContain(theirs.id)
  const mine = (await entriesOf(administrator)).data
  expect(mine.map(({ target }) => target)).toContain(ours.id)
  expect(mine.map(({ target }) => target)).not.toContain(theirs.id)
  expect(new Set(mine.map(({ project }) => project))).toEqual(new Set([subject.projectId]))
  expect((await call(administrator, 'GET', `/v1/admin/audit?project=${other.projectId}`)).status).toBe(404)
  const reader = (await subject.newKey({ access: [{ project: subject.projectId, rights: ['batches:read'] }] })).key
  expect((await call(subject, 'GET', '/v1/admin/audit', { key: reader })).status).toBe(403)
  const last = await upload(subject, linesOf(['']).text)
  await subject.restart({ whileOff: () => {} })
  expect(
    (await entriesOf(operator)).data.map(({ target }) => target),
    'what was done just before a stop',
  ).toContain(last.id)
})

test.skipIf(isRemote)('263: a proxy is believed when it says for whom it asks, and nobody else is', async () => {
  const asked = { headers: { 'x-forwarded-for': '203.0.113.9' }, key: 'ns-wrong' }
  for (const [proxies, seen] of [
    ['127.0.0.0/8', '203.0.113.9'],
    ['10.0.0.0/8', '127.0.0.1'],
  ] as const) {
    await using subject = await openLocal({ proxies })
    const operator = { ...subject, key: (await subject.newKey({ isOperator: true })).key }
    await call(subject, 'GET', '/v1/batches', asked)
    const { data } = await poll(
      () => entriesOf(operator),
      (found) => found.data.length > 0,
      'it is written down',
    )
    expect(data[0]?.address).toBe(seen)
  }
})
