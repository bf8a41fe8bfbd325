import { stat, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { poll } from '../conformance/follow.ts'
import { linesOf, model } from '../conformance/lines.ts'
import { call } from '../conformance/wire.ts'
import { expectFailure, openFolder, run, serve } from './program.ts'

/** A folder from which the operator's commands are given: its `nightshift-data` is theirs. */
async function open() {
  const folder = await openFolder()
  const night = (...args: string[]) => run(args, { cwd: folder.path })
  return {
    ...folder,
    data: folder.in('nightshift-data'),
    night,
    async json<T>(...args: string[]): Promise<T> {
      const { code, out, err } = await night(...args, '--json')
      expect(code, err).toBe(0)
      return JSON.parse(out) as T
    },
  }
}

interface Key {
  readonly id: string
  readonly key: string
  readonly name: string
  readonly hint: string
  readonly revoked_at: number | null
}

test.concurrent('beside a running server a key is made, shown once, used, and revoked for good', async () => {
  await using opened = await open()
  const { data, night, json } = opened
  await using server = await serve(data, 'http://127.0.0.1:1')
  const made = await json<Key>('keys', 'create', '--name', 'laptop')
  const statusWith = async (key: string) => (await call({ ...server, key }, 'GET', '/v1/batches')).status
  expect(made.key).toMatch(/^ns-/)
  expect(await statusWith(made.key)).toBe(200)
  const listed = await night('keys', 'list')
  expect(listed.out).toMatch(new RegExp(`^${made.id} .*laptop +${made.hint}\\.\\.\\.`, 'm'))
  expect(listed.out, 'shown once').not.toContain(made.key)
  const revoked = await night('keys', 'revoke', made.id)
  expect([revoked.code, revoked.out]).toEqual([0, `revoked ${made.id}\n`])
  // A server remembers a key for two seconds.
  await poll(
    () => statusWith(made.key),
    (status) => status === 401,
    'the key is refused',
  )
  expect(await statusWith(server.key), 'the other stays').toBe(200)
  expect((await json<Key[]>('keys', 'list')).find(({ id }) => id === made.id)?.revoked_at).toBeTypeOf('number')
  expectFailure(await night('keys', 'revoke', made.id), 1, 'was revoked before')
})

test.concurrent('what commands change on the database of a machine is written down like what comes by the API', async () => {
  await using opened = await open()
  const { night, json } = opened
  const team = await json<{ id: string }>('projects', 'create', 'team')
  const made = await json<Key>('keys', 'create', '--project', 'team')
  await night('projects', 'weigh', 'team', '3')
  await night('keys', 'revoke', made.id)
  expectFailure(await night('keys', 'revoke', made.id), 1, 'was revoked before')
  const entries = await json<Record<string, unknown>[]>('audit', '--project', 'team')
  expect(entries.map(({ operation, target }) => [operation, target])).toEqual([
    ['admin.keys.revoke', made.id],
    ['admin.projects.change', team.id],
    ['admin.keys.create', made.id],
    ['admin.projects.create', team.id],
  ])
  expect(entries[0]).toMatchObject({ key: null, status: 200, address: expect.stringMatching(/^local \(.+\)$/) as string })
  expect((await night('audit')).out).toContain('a command')
  expect(JSON.stringify(entries)).not.toContain(made.key)
})

test.concurrent('what a project may have is bounded on the database of a machine, without a server or a key', async () => {
  await using opened = await open()
  const { night, json } = opened
  const team = await json<{ id: string }>('projects', 'create', 'team')
  await json('quotas', 'set', 'open_batches', '5', '--project', 'team')
  await json('quotas', 'set', 'enqueued_tokens', '1000', '--model', 'm', '--project', 'team')
  const list = async () => (await json<{ kind: string; model: string | null; amount: number; used: number }[]>('quotas', 'list', '--project', team.id)).map(({ kind, model, amount, used }) => `${kind} ${model} ${amount} ${used}`) // prettier-ignore
  expect(new Set(await list())).toEqual(new Set(['enqueued_tokens m 1000 0', 'open_batches null 5 0']))
  expect((await night('quotas', 'delete', 'open_batches', '--project', 'team')).out).toContain('not bounded any more')
  expect(await list()).toHaveLength(1)
  expectFailure(await night('quotas', 'delete', 'open_batches', '--project', 'team'), 1, "has no quota 'open_batches'")
  expectFailure(await night('quotas', 'set', 'lines', '5'), 1, "Supported values are: 'open_batches'")
  expectFailure(await night('quotas', 'list', '--project', 'none'), 1, "There is no project 'none'")
  expect((await json<{ operation: string }[]>('audit', '--project', 'team')).map(({ operation }) => operation)).toEqual([
    'admin.quotas.delete',
    'admin.quotas.set',
    'admin.quotas.set',
    'admin.projects.create',
  ])
})

test.concurrent(
  'who used what is told over all projects, beside a server with the key of an operator and without one',
  async () => {
    await using opened = await open()
    const { data, night, json } = opened
    await using backend = await startSimulator({ models: [model] })
    const team = await json<{ id: string }>('projects', 'create', 'team')
    const { key } = await json<Key>('keys', 'create', '--project', 'team')
    await writeFile(opened.in('a.jsonl'), linesOf(['', '']).text)
    const usage = ['usage', '--by', 'project_id', '--format', 'csv']
    const title = 'project_id,project,date,model,endpoint,api_key_id,batches,completed,failed,input,cached,output,seconds,cost'
    const told = new RegExp(`^${title}\\r\\n${team.id},team,,,,,1,2,0,[\\d,]+\\r\\n$`)
    {
      await using server = await serve(data, backend.url)
      const operator = await json<Key>('keys', 'create', '--operator')
      const by = (secret: string) => ['--url', server.baseUrl, '--key', secret]
      const ended = await night('create', 'a.jsonl', '--watch', ...by(key))
      expect(ended.code, ended.err).toBe(0)
      expect((await night(...usage, '--all', ...by(operator.key))).out).toMatch(told)
      expect((await night(...usage, '--project', 'default', ...by(operator.key))).out).toBe(`${title}\r\n`)
      expectFailure(await night(...usage, '--all', ...by(key)), 1, "lacks the right 'operator'")
    }
    expect((await night(...usage, '--all', '--data', data)).out, 'without a server').toMatch(told)
    expect((await json<{ data: unknown[] }>('usage', '--project', 'team')).data).toHaveLength(1)
    expectFailure(await night('usage', '--project', 'none'), 1, "There is no project 'none'")
  },
  60_000,
)

test.concurrent('a key is alone on standard output, so that a script can take it', async () => {
  await using opened = await open()
  const { night, json } = opened
  await night('projects', 'create', 'team')
  const { code, out, err } = await night('keys', 'create', '--project', 'team')
  expect(code).toBe(0)
  expect(out).toMatch(/^ns-\S+\n$/)
  expect(err).toContain('shown this once')
  expect(await json<Key[]>('keys', 'list', '--project', 'team')).toHaveLength(1)
  expectFailure(await night('keys', 'create', '--project', 'none'), 1, "There is no project 'none'")
  expectFailure(await night('keys', 'list', '--project', 'none'), 1, "There is no project 'none'")
})

test.concurrent(
  'an operator far away looks after projects and keys with the same commands',
  async () => {
    await using opened = await open()
    const { data, json, night } = opened
    await using server = await serve(data, 'http://127.0.0.1:1')
    const operator = await json<Key>('keys', 'create', '--operator', '--right', 'project:admin', '--expires', '2d')
    const far = ['--url', server.baseUrl, '--key', operator.key, '--data', 'nowhere']
    const { id } = await json<{ id: string }>('projects', 'create', 'team', ...far)
    await json('projects', 'rename', 'team', 'crew', ...far)
    const made = await json<Key>(
      'keys',
      'create',
      '--project',
      'crew',
      '--right',
      'batches:read',
      '--right',
      'usage:read',
      ...far,
    )
    expect((await call({ ...server, key: made.key }, 'GET', '/v1/batches')).status).toBe(200)
    expect((await call({ ...server, key: made.key }, 'GET', '/v1/files')).status).toBe(403)
    const listed = await night('keys', 'list', '--project', id, ...far)
    expect(listed.out).toMatch(new RegExp(`^${made.id} .*crew: batches:read usage:read$`, 'm'))
    expect((await night('projects', 'list')).out, 'the same from near').toMatch(new RegExp(`^${id} +crew `, 'm'))
    expect((await night('buckets', 'list', ...far)).out).toContain(id)
    expect((await night('keys', 'revoke', made.id, ...far)).code).toBe(0)
    expectFailure(await night('keys', 'create', '--right', 'everything', ...far), 1, "There is no right 'everything'")
    expectFailure(
      await night('keys', 'list', '--url', server.baseUrl, '--key', (await json<Key>('keys', 'create')).key),
      1,
      "lacks the right 'project:admin'",
    )
    expectFailure(await night('keys', 'list', '--url', server.baseUrl), 2, '--url and --key go together')
    expectFailure(await night('keys', 'create', '--expires', 'soon'), 2, 'It is a time from now')
  },
  180_000,
) // NOTE: twenty programs are started, one after the other

test.concurrent(
  'a project is kept short, and erased when its operator means it',
  async () => {
    await using opened = await open()
    const { data, json, night } = opened
    await using _ = await serve(data, 'http://127.0.0.1:1')
    const { id } = await json<{ id: string }>('projects', 'create', 'team')
    expect(await json('projects', 'keep', 'team', '30')).toMatchObject({ keep_days: 30 })
    expect(await json('projects', 'keep', 'team', 'forever')).toMatchObject({ keep_days: null })
    expectFailure(await night('projects', 'keep', 'team', 'long'), 2, "'long' is not a whole number")
    expectFailure(await night('projects', 'erase', 'team'), 2, 'Say that you mean it with --yes')
    expect((await night('projects', 'erase', 'team', '--yes')).out).toContain('a worker goes on with it')
    const report = await poll(
      () => json<{ id: string; status: string }[]>('projects', 'erasures'),
      ([one]) => one?.status === 'erased',
      'it is erased',
      60_000,
    )
    expect(report).toMatchObject([{ id, name: 'team' }])
    expect((await night('projects', 'list')).out).not.toContain(id)
  },
  180_000,
)

test.concurrent('a project is made once, with a bucket folder of its own', async () => {
  await using opened = await open()
  const { night, json } = opened
  const made = await json<{ id: string; name: string }>('projects', 'create', 'team')
  expectFailure(await night('projects', 'create', 'team'), 1, "There is a project 'team' already")
  expect((await night('projects', 'list')).out).toMatch(new RegExp(`^${made.id} +team `, 'm'))
  const [grant, ...more] = await json<{ bucket: string; project: string; place: string }[]>('buckets', 'list')
  expect(more).toEqual([])
  expect(grant).toMatchObject({ bucket: made.id, project: made.id })
  expect((await stat(grant?.place ?? '')).isDirectory()).toBe(true)
})

test.concurrent('the project "default" may be made before the first start, which goes on with it', async () => {
  await using opened = await open()
  const { data, night, json } = opened
  const made = await night('projects', 'create', 'default')
  expect(made.code, made.err).toBe(0)
  expect((await stat(data)).mode & 0o077, 'the data folder is its owner’s alone').toBe(0)
  await using server = await serve(data, 'http://127.0.0.1:1')
  expect((await call(server, 'GET', '/v1/batches')).status).toBe(200)
  const [project, ...more] = await json<{ is_default: boolean }[]>('projects', 'list')
  expect([project?.is_default, more]).toEqual([true, []])
  expect((await json<{ bucket: string }[]>('buckets', 'list')).map(({ bucket }) => bucket)).toEqual(['default'])
})

test.concurrent('backends list asks each of them, and ends with 1 if one does not tell its models', async () => {
  await using opened = await open()
  const { night, json } = opened
  await using simulator = await startSimulator({ models: ['a', 'b'] })
  const [good, some] = await Promise.all([
    night('backends', 'list', '--backend', simulator.url),
    night('backends', 'list', '--backend', simulator.url, '--backend', 'http://127.0.0.1:1'),
  ])
  expect([good.code, some.code]).toEqual([0, 1])
  expect(good.out).toMatch(/a, b$/m)
  expect(some.out).toMatch(/^http:\/\/127\.0\.0\.1:1 +\(it cannot be reached/m)
  const [there, gone, wrong] = await Promise.all([
    night('backends', 'check', `${simulator.url}/v1`),
    night('backends', 'check', 'http://127.0.0.1:1'),
    night('backends', 'check', 'nonsense'),
  ])
  expect([there.code, gone.code, wrong.code]).toEqual([0, 1, 2])
  expect(there.out).toContain(`  - url: ${simulator.url}\n`)
  expect(there.out).toMatch(/a request {2}\/v1\/chat\/completions with \S+: 200 in \d+ ms/)
  expect(gone.out).toContain('cannot be reached')
  expect(await json<object[]>('backends', 'list', '--backend', simulator.url)).toEqual([
    { url: simulator.url, told: { kind: 'models', models: ['a', 'b'] } },
  ])
})

test.concurrent('a data folder that is not there is told, and not made', async () => {
  await using folder = await open()
  for (const command of [
    ['keys', 'list'],
    ['keys', 'create'],
    ['projects', 'list'],
    ['buckets', 'list'],
  ]) {
    const { code, err } = await folder.night(...command, '--data', 'nightshift-dat')
    expect([code, err]).toEqual([2, expect.stringContaining('There is no data folder') as string])
  }
  await expect(stat(folder.in('nightshift-dat'))).rejects.toThrow('ENOENT')
})

test.concurrent('a limit that is no number is wrong usage', async () => {
  await using folder = await open()
  for (const limit of ['abc', '0', '101', '1.5']) {
    const { code, err } = await folder.night('list', '--limit', limit)
    expect([code, err]).toEqual([2, expect.stringContaining('It is a whole number from 1 to 100.') as string])
  }
})
