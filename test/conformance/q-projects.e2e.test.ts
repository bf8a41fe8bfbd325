import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { rights as allRights, type Right } from '../../src/domain/rights.ts'
import { followToEnd, poll } from './follow.ts'
import { linesOf } from './lines.ts'
import type { LocalSubject } from './local.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { call, create, expectRefused, getContent, post, tryUpload, upload, type Answer, type Door } from './wire.ts'

interface Key {
  readonly id: string
  readonly key: string
  readonly operator: boolean
  readonly access: readonly { readonly project: string; readonly rights: readonly string[] }[]
  readonly expires_at: number | null
  readonly last_used_at: number | null
  readonly revoked_at: number | null
}
interface Project {
  readonly id: string
  readonly name: string
}

/** A door of the subject with another key, and perhaps through a project's own path. */
const through = (door: Door, key: string, project?: string): Door => ({
  ...door,
  key,
  baseUrl: project === undefined ? door.baseUrl : `${door.baseUrl}/${project}`,
})
const list = async <T>(door: Door, path: string): Promise<readonly T[]> => {
  const answer = await call(door, 'GET', path)
  expect(answer.status, answer.text).toBe(200)
  return (answer.json as { data: T[] }).data
}
const good = <T>(answer: Answer): T => {
  expect(answer.status, answer.text).toBe(200)
  return answer.json as T
}

/** One call of each operation, and what it needs: written down a second time, on purpose. */
async function probes(
  subject: LocalSubject,
): Promise<Record<string, { needs: readonly Right[]; ask: (door: Door) => Promise<Answer> }>> {
  const file = await upload(subject, linesOf(['']).text)
  const batch = await followToEnd(subject, (await create(subject, { input_file_id: file.id })).id)
  const object = `s3://${subject.bucket.name}/none.jsonl`
  const creation = { endpoint: '/v1/chat/completions', completion_window: '24h' }
  const get = (path: string) => (door: Door) => call(door, 'GET', path)
  const spoken = { ...creation, endpoint: '/v1/audio/transcriptions' }
  return {
    'POST /batches': {
      needs: ['batches:write', 'files:read'],
      ask: (door) => post(door, '/v1/batches', { ...creation, input_file_id: file.id }),
    },
    'POST /batches of an object': {
      needs: ['batches:write', 'objects:read', 'objects:write'],
      ask: (door) => post(door, '/v1/batches', { ...creation, input_file_id: object }),
    },
    'POST /batches of audio': {
      needs: ['batches:write', 'objects:read', 'files:read'],
      ask: (door) => post(door, '/v1/batches', { ...spoken, input_file_id: file.id }),
    },
    'GET /batches': { needs: ['batches:read'], ask: get('/v1/batches') },
    'GET /batches/{id}': { needs: ['batches:read'], ask: get(`/v1/batches/${batch.id}`) },
    'POST /batches/{id}/cancel': {
      needs: ['batches:write'],
      ask: (door) => call(door, 'POST', `/v1/batches/${batch.id}/cancel`),
    },
    'POST /batches/{id}/retry': {
      needs: ['batches:write', 'files:read'],
      ask: (door) => post(door, `/v1/batches/${batch.id}/retry`, {}),
    },
    'GET /batches/{id}/results': { needs: ['results:read'], ask: get(`/v1/batches/${batch.id}/results`) },
    'POST /files': { needs: ['files:write'], ask: (door) => tryUpload(door, linesOf(['']).text) },
    'GET /files': { needs: ['files:read'], ask: get('/v1/files') },
    'GET /files/{id}': { needs: ['files:read'], ask: get(`/v1/files/${file.id}`) },
    'DELETE /files/{id}': { needs: ['files:write'], ask: (door) => call(door, 'DELETE', '/v1/files/file-none') },
    'GET /files/{id}/content': { needs: ['files:read'], ask: get(`/v1/files/${file.id}/content`) },
    'GET /files/{id}/content of results': { needs: ['results:read'], ask: get(`/v1/files/${batch.output_file_id}/content`) },
    'GET /files/{id}/content of an object': {
      needs: ['objects:read'],
      ask: get(`/v1/files/${encodeURIComponent(object)}/content`),
    },
    'GET /models': { needs: [], ask: get('/v1/models') },
    'GET /models/{id}': { needs: [], ask: get('/v1/models/none') },
    'GET /usage': { needs: ['usage:read'], ask: get('/v1/usage') },
    'GET /organization/usage/{kind}': { needs: ['usage:read'], ask: get('/v1/organization/usage/completions?start_time=1') },
    'GET /quotas': { needs: ['usage:read'], ask: get('/v1/quotas') },
    'GET /admin/usage': { needs: ['operator'], ask: get('/v1/admin/usage') },
    'GET /admin/quotas': { needs: ['project:admin'], ask: get('/v1/admin/quotas') },
    'POST /admin/quotas': {
      needs: ['operator'],
      ask: (door) => post(door, '/v1/admin/quotas', { kind: 'open_batches', amount: 1e6 }),
    },
    'DELETE /admin/quotas': { needs: ['operator'], ask: (door) => call(door, 'DELETE', '/v1/admin/quotas?kind=tokens_day') },
    'GET /webhooks': { needs: ['project:admin'], ask: get('/v1/webhooks') },
    'POST /webhooks': {
      needs: ['project:admin'],
      ask: (door) => post(door, '/v1/webhooks', { url: 'http://127.0.0.1/' }),
    },
    'GET /webhooks/{id}': { needs: ['project:admin'], ask: get('/v1/webhooks/none') },
    'DELETE /webhooks/{id}': { needs: ['project:admin'], ask: (door) => call(door, 'DELETE', '/v1/webhooks/none') },
    ...Object.fromEntries(
      ['rotate', 'enable', 'test', 'deliveries/{event}/replay'].map((what) => [
        `POST /webhooks/{id}/${what}`,
        {
          needs: ['project:admin'] as const,
          ask: (door: Door) => call(door, 'POST', `/v1/webhooks/none/${what.replace('{event}', 'none')}`),
        },
      ]),
    ),
    'GET /webhooks/{id}/deliveries': { needs: ['project:admin'], ask: get('/v1/webhooks/none/deliveries') },
    'GET /admin/projects': { needs: ['project:admin'], ask: get('/v1/admin/projects') },
    'POST /admin/projects': { needs: ['operator'], ask: (door) => post(door, '/v1/admin/projects', { name: 'other' }) },
    'GET /admin/projects/{id}': { needs: ['project:admin'], ask: get('/v1/admin/projects/none') },
    'POST /admin/projects/{id}': {
      needs: ['project:admin'],
      ask: (door) => post(door, '/v1/admin/projects/none', { name: 'n' }),
    },
    'DELETE /admin/projects/{id}': { needs: ['operator'], ask: (door) => call(door, 'DELETE', '/v1/admin/projects/none') },
    'GET /admin/erasures': { needs: ['operator'], ask: get('/v1/admin/erasures') },
    'GET /admin/keys': { needs: ['project:admin'], ask: get('/v1/admin/keys') },
    'POST /admin/keys': { needs: ['project:admin'], ask: (door) => post(door, '/v1/admin/keys', { name: 'n', expires_at: 1 }) },
    'DELETE /admin/keys/{id}': { needs: ['project:admin'], ask: (door) => call(door, 'DELETE', '/v1/admin/keys/none') },
    'GET /admin/audit': { needs: ['project:admin'], ask: get('/v1/admin/audit') },
    'GET /admin/buckets': { needs: ['project:admin'], ask: get('/v1/admin/buckets') },
  }
}

/** Scaleway's sets (contract 2.5), written down a second time, on purpose. */
const ofModels: readonly Right[] = ['batches:read', 'batches:write', 'files:read', 'files:write', 'results:read']
const scaleways: Readonly<Record<string, readonly Right[]>> = {
  GenerativeApisFullAccess: [...ofModels, 'usage:read'],
  GenerativeApisModelAccess: ofModels,
  ObjectStorageObjectsRead: ['objects:read'],
  ObjectStorageObjectsWrite: ['objects:write'],
  AllProductsFullAccess: [...ofModels, 'usage:read', 'objects:read', 'objects:write'],
}

test.skipIf(isRemote)(
  '181: each route asks for the rights that it needs, and for no other',
  async () => {
    await using subject = await openLocal()
    const asked = await probes(subject)
    const { paths } = (await call(subject, 'GET', '/openapi.json')).json as { paths: Record<string, Record<string, unknown>> }
    const routes = Object.entries(paths)
      .filter(([path]) => path.startsWith('/v1/'))
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.slice('/v1'.length)}`))
    expect(routes.filter((route) => !route.startsWith('HEAD ')).toSorted(), 'every route is asked').toEqual(
      [...new Set(Object.keys(asked).map((name) => name.replace(/ of .*/, '')))].toSorted(),
    )

    const keyOf = async (names: readonly string[], isOperator = false): Promise<string> =>
      (await subject.newKey({ isOperator, access: [{ project: subject.projectId, rights: names }] })).key
    const keyWith = (has: readonly Right[]): Promise<string> =>
      keyOf(
        has.filter((right) => right !== 'operator'),
        has.includes('operator'),
      )
    const surprises: string[] = []
    const expectAnswers = async (has: readonly Right[], key?: string): Promise<void> => {
      const door = through(subject, key ?? (await keyWith(has)))
      const effective = new Set([...has, ...(has.includes('operator') ? ['project:admin'] : [])])
      for (const [name, { needs, ask }] of Object.entries(asked)) {
        const missing = needs.filter((right) => !effective.has(right))
        const { status, json } = await ask(door)
        const { code = null, message = '' } = (json as { error?: { code: string | null; message: string } } | null)?.error ?? {}
        const refused = status === 403 && code === 'missing_right'
        if (status === 401 || status >= 500 || refused !== missing.length > 0 || (status === 403) !== refused)
          surprises.push(`${name} with ${has.join(' ')}: ${status} ${code}`)
        else if (refused && !allRights.some((right) => !effective.has(right) && message.includes(`'${right}'`)))
          surprises.push(`${name} does not name what is missing: ${message}`)
      }
    }
    for (const right of allRights) {
      await expectAnswers(allRights.filter((other) => other !== right))
      await expectAnswers([right])
    }
    for (const needs of new Set(Object.values(asked).map((one) => one.needs))) if (needs.length > 0) await expectAnswers(needs)
    expect(surprises).toEqual([])

    const keys = [await keyWith(allRights)]
    for (const right of allRights) keys.push(await keyWith([right]))
    for (const [name, has] of Object.entries(scaleways)) {
      const key = await keyOf([name])
      await expectAnswers(has, key)
      keys.push(key)
    }
    expect(surprises).toEqual([])
    for (const key of keys)
      for (const { ask } of Object.values(asked)) {
        const [others, missing] = [
          await ask(through(subject, key, subject.other?.projectId ?? '')),
          await ask(through(subject, key, randomUUID())),
        ]
        expectRefused(others, 403)
        expect(missing.text, "another's project and one that is not there are told in the same bytes").toBe(others.text)
      }
  },
  120_000,
)

test.skipIf(isRemote)('182: a key is for several projects, each with its rights; path, header and default choose', async () => {
  await using subject = await openLocal()
  const other = subject.other?.projectId ?? ''
  const { key } = await subject.newKey({
    access: [{ project: subject.projectId }, { project: 'other', rights: ['batches:read'] }],
  })
  const mine = await create(through(subject, key), { input_file_id: (await upload(subject, linesOf(['']).text)).id })
  const seen = async (door: Door, headers: Record<string, string> = {}) =>
    ((await call(door, 'GET', '/v1/batches', { headers })).json as { data: { id: string }[] }).data.map(({ id }) => id)
  const door = through(subject, key)
  expect(await seen(door)).toEqual([mine.id])
  expect(await seen(through(subject, key, subject.projectId))).toEqual([mine.id])
  expect(await seen(through(subject, key, other))).toEqual([])
  expect(await seen(door, { 'openai-project': 'other' })).toEqual([])
  expect(await seen(door, { 'openai-project': other })).toEqual([])
  expect(await seen(door, { 'openai-project': 'proj_abc' }), "one of OpenAI's says nothing").toEqual([mine.id])
  expect(await seen(through(subject, key, subject.projectId), { 'openai-project': 'other' }), 'the path counts').toEqual([
    mine.id,
  ])
  const [wrong, foreign] = await Promise.all(
    ['none', randomUUID()].map((name) => call(door, 'GET', '/v1/batches', { headers: { 'openai-project': name } })),
  )
  expect([wrong?.status, wrong?.text]).toEqual([403, foreign?.text])
  expectRefused(await tryUpload(through(subject, key, other), 'x'), 403, { code: 'missing_right' })
})

test.skipIf(isRemote)('183: a key ends when its time is over, and shows when it was used', async () => {
  await using subject = await openLocal()
  const operator = through(subject, (await subject.newKey({ isOperator: true })).key)
  const expires = Math.floor(Date.now() / 1000) + 3600
  const made = good<Key>(await post(operator, '/v1/admin/keys', { name: 'short', expires_at: expires }))
  expect(made).toMatchObject({ operator: false, expires_at: expires, last_used_at: null, revoked_at: null })
  const door = through(subject, made.key)
  expect((await call(door, 'GET', '/v1/batches')).status).toBe(200)
  const shown = async () => (await list<Key>(operator, '/v1/admin/keys')).find(({ id }) => id === made.id)
  const used = await poll(shown, (key) => key?.last_used_at !== null, 'it was used')
  expect(Math.abs((used?.last_used_at ?? 0) - Date.now() / 1000)).toBeLessThan(60)
  await subject.advance(3_600_000)
  const refused = await poll(
    () => call(door, 'GET', '/v1/batches'),
    ({ status }) => status === 401,
    'it ended',
  )
  expectRefused(refused, 401, { code: 'invalid_api_key', message: expect.stringContaining('expired') as string })
})

test.skipIf(isRemote)('184: an id that no database can hold is nobody’s, and breaks nothing', async () => {
  await using subject = await openLocal()
  const { key } = await subject.newKey({ isOperator: true, access: [{ project: subject.projectId, rights: ['project:admin', 'AllProductsFullAccess'] }] }) // prettier-ignore
  const door = through(subject, key)
  for (const path of [
    'webhooks/%00',
    'admin/projects/%00',
    'admin/audit?after=%00',
    'files?purpose=%00',
    'admin/keys?project=%00',
    'files/%00/content',
  ])
    // prettier-ignore
    expect((await call(door, 'GET', `/v1/${path}`)).status, path).toBeLessThan(500)
  expect((await post(door, '/v1/admin/keys', { name: 'a\u0000b' })).status).toBeLessThan(500)
})

test.skipIf(isRemote)('184: an operator looks after projects and keys, and reads nobody’s data', async () => {
  await using subject = await openLocal()
  const { key } = await subject.newKey({ isOperator: true, access: [{ project: subject.projectId, rights: ['project:admin'] }] })
  const operator = through(subject, key)
  const team = good<Project>(await post(operator, '/v1/admin/projects', { name: 'team' }))
  expectRefused(await post(operator, '/v1/admin/projects', { name: 'team' }), 409, { param: 'name' })
  for (const name of [randomUUID(), 'proj_1', ' x', 'a\u0000b', '\u202Ex'])
    expectRefused(await post(operator, '/v1/admin/projects', { name }), 400, { param: 'name' })
  good(await post(operator, `/v1/admin/projects/${team.id}`, { name: 'crew' }))
  const access = [{ project: subject.projectId, rights: ['project:admin'] }]
  const administrator = through(subject, (await subject.newKey({ access })).key)
  const own = `/v1/admin/projects/${subject.projectId}`
  expectRefused(await post(administrator, own, { name: 'finance' }), 403, {
    message: expect.stringContaining('operator') as string,
  })
  expect(good<Project>(await post(administrator, own, { name: 'default', keep_days: 30 })).name).toBe('default')
  good(await post(administrator, own, { keep_days: null }))
  expectRefused(await post(operator, '/v1/admin/projects/crew', { name: 'other' }), 409, { param: 'name' })
  expect((await list<Project>(operator, '/v1/admin/projects')).map(({ name }) => name).toSorted()).toEqual([
    'crew',
    'default',
    'other',
  ])
  expect((await list<{ project: string }>(operator, '/v1/admin/buckets')).some(({ project }) => project === team.id)).toBe(true)

  const made = good<Key>(
    await post(operator, '/v1/admin/keys', { name: 'n', access: [{ project: 'crew', rights: ['GenerativeApisFullAccess'] }] }),
  )
  const door = through(subject, made.key)
  const { text } = linesOf([''])
  const file = await upload(door, text)
  expect(await getContent(door, file.id)).toBe(text)
  expectRefused(await call(door, 'GET', '/v1/admin/keys'), 403, { code: 'missing_right' })
  for (const path of ['/v1/files', '/v1/batches', '/v1/usage', `/v1/files/${file.id}/content`])
    expectRefused(await call(operator, 'GET', path), 403, { code: 'missing_right' })
  expect((await call(operator, 'GET', '/v1/admin/keys')).text, 'shown once').not.toContain(made.key)

  good(await call(operator, 'DELETE', `/v1/admin/keys/${made.id}`))
  expectRefused(await call(operator, 'DELETE', `/v1/admin/keys/${made.id}`), 404)
  await poll(
    () => call(door, 'GET', '/v1/batches'),
    ({ status }) => status === 401,
    'it is refused',
  )
  for (const [body, param] of [
    [{ name: 'n', access: [{ project: 'none' }] }, 'project'],
    [{ name: 'n', access: [{ project: 'crew', rights: ['everything'] }] }, 'access[0].rights'],
    [{ name: 'n', access: [{ project: 'crew', rights: ['operator'] }] }, 'access[0].rights'],
    [{ name: 'n', access: [{ project: 'crew' }, { project: team.id }] }, 'access[1]'],
    [{ name: 'n', expires_at: 5 }, 'expires_at'],
  ] as const)
    expectRefused(await post(operator, '/v1/admin/keys', body), param === 'project' ? 404 : 400, { param })
})

test.skipIf(isRemote)('185: an administrator sees and gives what is in their project, and nothing else', async () => {
  await using subject = await openLocal()
  const other = subject.other?.projectId ?? ''
  const [{ key }, both, operators, foreign] = await Promise.all([
    subject.newKey({ access: [{ project: subject.projectId, rights: ['project:admin'] }] }),
    subject.newKey({ access: [{ project: subject.projectId }, { project: other }] }),
    subject.newKey({ isOperator: true }),
    subject.newKey({ access: [{ project: other }] }),
  ])
  const admin = through(subject, key)
  expect((await list<Project>(admin, '/v1/admin/projects')).map(({ id }) => id)).toEqual([subject.projectId])
  const keys = await list<Key>(admin, '/v1/admin/keys')
  expect(keys.flatMap(({ access }) => access.map(({ project }) => project)).filter((id) => id !== subject.projectId)).toEqual([])
  expect(keys.map(({ id }) => id)).not.toContain(foreign.id)
  expect((await call(admin, 'GET', '/v1/admin/keys')).text, 'nothing of the other project').not.toMatch(/"other"/)
  for (const [path, missing] of [
    [`/v1/admin/projects/${other}`, `/v1/admin/projects/${randomUUID()}`],
    ['/v1/admin/keys?project=other', '/v1/admin/keys?project=ether'],
  ] as const) {
    const [theirs, none] = [await call(admin, 'GET', path), await call(admin, 'GET', missing)]
    const name = (text: string) => text.replaceAll(/'[^']*'/g, "'...'")
    expect([theirs.status, none.status, name(theirs.text)]).toEqual([404, 404, name(none.text)])
  }
  expectRefused(await post(admin, '/v1/admin/keys', { name: 'n', access: [{ project: other }] }), 404)
  expectRefused(await post(admin, '/v1/admin/keys', { name: 'n', operator: true }), 400, { param: 'operator' })
  expectRefused(await call(admin, 'DELETE', `/v1/admin/keys/${foreign.id}`), 404)
  expectRefused(await call(admin, 'DELETE', `/v1/admin/keys/${both.id}`), 409)
  expectRefused(await call(admin, 'DELETE', `/v1/admin/keys/${operators.id}`), 409)
  const made = good<Key>(await post(admin, '/v1/admin/keys', { name: 'n' }))
  expect(made.access).toMatchObject([{ project: subject.projectId, rights: ['AllProductsFullAccess'] }])
  good(await call(admin, 'DELETE', `/v1/admin/keys/${made.id}`))
})
