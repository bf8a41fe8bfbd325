import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import type { ErasureView } from '../../src/domain/erasure.ts'
import { findS3Program, serverNames } from '../support/s3-server.ts'
import { follow, followToEnd, poll } from './follow.ts'
import { linesOf } from './lines.ts'
import type { LocalSubject } from './local.ts'
import { openOnS3 } from './s3-subject.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { call, create, expectRefused, post, upload, type Door } from './wire.ts'

async function openTeam(on?: LocalSubject) {
  const subject = on ?? (await openLocal())
  const operator: Door = { ...subject, key: (await subject.newKey({ isOperator: true })).key }
  const team = (await post(operator, '/v1/admin/projects', { name: 'team' })).json as { id: string }
  const member: Door = { ...subject, key: (await subject.newKey({ access: [{ project: team.id }] })).key }
  const erasures = async () =>
    ((await call(operator, 'GET', '/v1/admin/erasures')).json as { data: ErasureView[] }).data.find(({ id }) => id === team.id)
  return { subject, operator, team, member, erasures }
}

test.skipIf(isRemote)('271: a project is erased with everything of it, and the report of it stays', async () => {
  const { subject, operator, team, member, erasures } = await openTeam()
  await using _ = subject
  const both = { ...subject, key: (await subject.newKey({ access: [{ project: team.id }, { project: subject.projectId }] })).key }
  const kept = await upload(subject, linesOf(['']).text)
  const folder = join(subject.data, 'buckets', team.id)
  await mkdir(join(folder, 'in'), { recursive: true })
  await writeFile(join(folder, 'in/a.jsonl'), linesOf(['', '']).text)
  const byObject = await followToEnd(member, (await create(member, { input_file_id: `s3://${team.id}/in/a.jsonl` })).id)
  expect(await readdir(join(folder, 'in'))).toContain('a-output.jsonl')
  const file = await upload(member, linesOf(['[[wait end]]']).text)
  const running = await create(member, { input_file_id: file.id })
  await follow(member, running.id, ({ status }) => status === 'in_progress')

  const begun = await call(operator, 'DELETE', '/v1/admin/projects/team')
  expect(begun.status, begun.text).toBe(200)
  expect(begun.json).toMatchObject({ id: team.id, object: 'project.erasure', name: 'team', status: 'erasing' })
  await poll(
    () => call(member, 'GET', '/v1/batches'),
    ({ status }) => status === 401,
    'its key is refused',
  )
  const report = await poll(erasures, (one) => one?.status === 'erased', 'it is erased')
  expect(report?.deleted).toMatchObject({ batches: 2, files: 2, keys: 1, requests: 2 }) // NOTE: the second file says that the line was cancelled
  expect(Object.values(report?.remaining ?? {})).toEqual([0, 0, 0, 0])
  expect([existsSync(folder), existsSync(join(subject.data, 'buckets/default'))]).toEqual([false, true])
  for (const store of ['files', 'scratch']) {
    const left = await readdir(join(subject.data, store)).catch((): string[] => [])
    if (left.includes(team.id)) expect(await readdir(join(subject.data, store, team.id), { recursive: true })).toEqual([])
  }
  for (const id of [byObject.id, running.id])
    expectRefused(await call({ ...both, baseUrl: `${both.baseUrl}/${team.id}` }, 'GET', `/v1/batches/${id}`), 403)
  expect((await call(both, 'GET', `/v1/files/${kept.id}`)).status, 'a key of two projects still opens the other').toBe(200)
  expect((await call(operator, 'GET', '/v1/admin/projects')).text).not.toContain(team.id)
  expect(JSON.stringify(await call(operator, 'DELETE', `/v1/admin/projects/${team.id}`)), 'asked again').toContain('erased')

  await subject.advance(3_600_000)
  await poll(erasures, (one) => one?.confirmed_at !== null, 'it was looked for once more')
  expect((await post(operator, '/v1/admin/projects', { name: 'team' })).status, 'its name is free').toBe(200)
})

describe.each(serverNames)('%s', (server) => {
  test.skipIf(isRemote || findS3Program(server) === null)(
    '271: of one whose bytes lie on S3 nothing is left there but what its users put into its bucket',
    async () => {
      await using on = await openOnS3(server, true)
      const { subject, operator, team, member, erasures } = await openTeam(on.subject)
      await on.newBucket('leaving', team.id)
      await upload(subject, linesOf(['']).text)
      const put = (name: string, script: string[]) => on.put('leaving', `in/${name}.jsonl`, linesOf(script).text)
      const run = async (input_file_id: string) => followToEnd(member, (await create(member, { input_file_id })).id)
      for (const name of ['a', 'b']) await run(await put(name, ['', '[[400]]']))
      await on.put('leaving', 'in/b-output.jsonl', 'theirs now\n')
      await run((await upload(member, linesOf(['', '[[400]]']).text)).id)
      const running = await create(member, { input_file_id: await put('c', ['', '[[wait end]]']) })
      await follow(member, running.id, ({ request_counts }) => request_counts.completed === 1)
      const ofTeam = async () => (await on.list('night', '')).filter((key) => key.includes(team.id))
      for (const store of ['files', 'scratch']) expect(await ofTeam()).toContainEqual(expect.stringContaining(`/${store}/`))
      expect(await on.list('leaving', '')).toContain('in/a-output.jsonl')

      await call(operator, 'DELETE', `/v1/admin/projects/${team.id}`)
      const report = await poll(erasures, (one) => one?.status === 'erased', 'it is erased')
      expect(report?.deleted).toMatchObject({ batches: 4, files: 3, objects: 6 })
      expect(await on.list('leaving', '')).toEqual(['a', 'b-output', 'b', 'c'].map((name) => `in/${name}.jsonl`))
      expect(await ofTeam()).toEqual([])
      for (const Bucket of ['leaving', 'night'])
        expect((await on.client.listMultipartUploads({ Bucket })).Uploads ?? []).toEqual([])
      expect(await on.list('night', `prod/files/${subject.projectId}/`), 'of another').toHaveLength(1)
    },
  )
})

test.skipIf(isRemote)('272: what is not to be erased is refused, and says why', async () => {
  const { subject, operator, team, member } = await openTeam()
  await using _ = subject
  const admin = { ...subject, key: (await subject.newKey({ access: [{ project: team.id, rights: ['project:admin'] }] })).key }
  expectRefused(await call(operator, 'DELETE', '/v1/admin/projects/none'), 404)
  expectRefused(await call(operator, 'DELETE', '/v1/admin/projects/default'), 409, {
    message: expect.stringContaining('default project') as string,
  })
  for (const door of [admin, member]) expectRefused(await call(door, 'DELETE', `/v1/admin/projects/${team.id}`), 403)
  await subject.newKey({ isOperator: true, access: [{ project: team.id }] })
  expectRefused(await call(operator, 'DELETE', `/v1/admin/projects/${team.id}`), 409, {
    message: expect.stringContaining('Keys of operators') as string,
  })
  expect((await call(member, 'GET', '/v1/batches')).status, 'nothing was begun').toBe(200)
})

test.skipIf(isRemote)('273: a project keeps its files and ended batches for as long as it says', async () => {
  const { subject, operator, team, member } = await openTeam()
  await using _ = subject
  for (const days of [0, -1, 1.5, 4000])
    expectRefused(await post(operator, `/v1/admin/projects/${team.id}`, { keep_days: days }), 400)
  const changed = await post(operator, `/v1/admin/projects/${team.id}`, { keep_days: 2 })
  expect(changed.json).toMatchObject({ name: 'team', keep_days: 2, erasing: false })
  const [theirs, mine] = [await upload(member, linesOf(['']).text), await upload(subject, linesOf(['']).text)]
  const status = async (door: Door, id: string) => (await call(door, 'GET', `/v1/files/${id}`)).status
  await subject.advance(2 * 86_400_000 - 60_000)
  expect([await status(member, theirs.id), await status(subject, mine.id)]).toEqual([200, 200])
  await subject.advance(120_000)
  await subject.restart({ whileOff: () => {} }) // NOTE: the janitor looks at once, and not when its own clock, which nobody moved, says so
  await poll(
    () => status(member, theirs.id),
    (seen) => seen === 404,
    'it went',
  )
  expect(await status(subject, mine.id)).toBe(200)
})
