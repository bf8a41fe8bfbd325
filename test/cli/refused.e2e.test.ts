import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { expect, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { listBatches } from '../conformance/wire.ts'
import { expectFailure, hasNobody, openFolder, run, serve } from './program.ts'

const nowhere = ['--backend', 'http://127.0.0.1:1']

test.concurrent('a port in use is named, and what to do', async () => {
  await using other = await startSimulator()
  await using folder = await openFolder()
  const { host, port } = new URL(other.url)
  const ended = await run(['serve', '--data', folder.in('data'), '--port', port, ...nowhere])
  expectFailure(ended, 1, `${host} is in use`, '--port')
  expectFailure(await run(['simulate', '--port', port]), 1, `${host} is in use`, '--port')
})

test.concurrent('an address that is not of this machine is named, and what to do', async () => {
  await using folder = await openFolder()
  const ended = await run(['serve', '--data', folder.in('data'), '--host', '203.0.113.5', ...nowhere])
  expectFailure(ended, 1, '203.0.113.5 is not an address of this machine', '--host')
})

test.concurrent('a second server on a data folder is refused and told who has it; after a death nobody is', async () => {
  await using folder = await openFolder()
  const data = folder.in('data')
  await using first = await serve(data, 'http://127.0.0.1:1')
  const { pid } = JSON.parse(await readFile(join(data, 'server.json'), 'utf8')) as { pid: number }
  const second = await run(['serve', '--data', data, '--port', '0', ...nowhere])
  expectFailure(second, 1, `${data} is in use by the server at ${first.baseUrl} (process ${pid})`, '--data')
  expect((await listBatches(first)).data, 'the first goes on').toEqual([])
  first.signal('SIGKILL')
  await first.ended
  await using third = await serve(data, 'http://127.0.0.1:1')
  expect(third.key, 'the key stays').toBe(first.key)
  expect((await listBatches(third)).data).toEqual([])
})

test.concurrent('a database of a newer version is refused by serve, named by doctor, and left as it is', async () => {
  await using folder = await openFolder()
  const data = folder.in('data')
  await mkdir(data)
  expect((await run(['projects', 'list', '--data', data])).code).toBe(0)
  const path = join(data, 'nightshift.db')
  inDatabase(path, (db) => db.prepare('insert into migrations (number, applied_at) values (99, 0)').run())
  const [served, looked] = await Promise.all([
    run(['serve', '--data', data, '--port', '0', ...nowhere]),
    run(['doctor', '--data', data]),
  ])
  expectFailure(served, 1, /has schema 99; this version of Nightshift knows \d+\. Install/)
  expect(looked.code).toBe(1)
  expect(looked.out).toMatch(/^WRONG {2}database: .*schema 99/m)
  inDatabase(path, (db) => expect(db.prepare('select count(*) as n from projects').get()).toMatchObject({ n: 0 }))
})

function inDatabase(path: string, work: (db: Database.Database) => unknown): void {
  const db = new Database(path)
  try {
    work(db)
  } finally {
    db.close()
  }
}

test.concurrent('a data folder that cannot be is named, and what to do', async () => {
  await using folder = await openFolder()
  await writeFile(folder.in('file'), 'not a folder')
  const below = folder.in('file/data')
  const garbage = folder.in('bad')
  await mkdir(garbage)
  await writeFile(join(garbage, 'nightshift.db'), 'this is not a database, and long enough to be told from one')
  const [first, second] = await Promise.all(
    [below, garbage].map((data) => run(['serve', '--data', data, '--port', '0', ...nowhere])),
  )
  expectFailure(first!, 1, `The data folder ${below} cannot be written`, '--data')
  expectFailure(second!, 1, `The database ${join(garbage, 'nightshift.db')} cannot be opened`)
})

test.skipIf(!hasNobody())(
  'a data folder without the right to write is named (needs a user without rights)',
  { concurrent: true },
  async () => {
    await using folder = await openFolder()
    const data = folder.in('sealed')
    await mkdir(data)
    await chmod(data, 0o555)
    const ended = await run(['serve', '--data', data, '--port', '0', ...nowhere], { asNobody: true })
    expectFailure(ended, 1, `The data folder ${data} cannot be written`, 'Check its rights')
  },
)

test.concurrent.for([
  ['a flag', ['--port', 'x'], {}, "--port: 'x' is not a whole number"],
  ['a port that there is not', ['--port', '65536'], {}, "--port: '65536'"],
  ['a variable', [], { NIGHTSHIFT_LEASE: 'soon' }, "NIGHTSHIFT_LEASE: 'soon' is not a time"],
  [
    'two that contradict each other',
    ['--lease', '4s', '--lease-renew', '3s'],
    {},
    '--lease-renew must be at most half of --lease',
  ],
  ['a backend', ['--backend', 'vllm'], {}, "--backend: 'vllm' is not the address of a backend"],
  ['a place in the file', ['--config', 'night.yaml'], {}, "night.yaml, line 2: unknown setting 'prot'. Did you mean 'port'?"],
  ['a file that is not there', ['--config', 'none.yaml'], {}, 'none.yaml cannot be read'],
  ['an unknown flag', ['--prot', '1'], {}, "unknown option '--prot'"],
] as const)('wrong settings end with 2 and say where: %s', async ([, flags, env, says]) => {
  await using folder = await openFolder()
  await writeFile(folder.in('night.yaml'), 'host: 127.0.0.1\nprot: 1\n')
  const ended = await run(['serve', '--data', folder.in('data'), ...flags], { cwd: folder.path, env })
  expect(ended.code).toBe(2)
  expect(ended.err).toContain(says)
  expect(ended.err).not.toMatch(/^\s+at /m)
})

test.concurrent('a start that grants a bucket to a project that is not there ends, though it listened already', async () => {
  await using folder = await openFolder()
  await writeFile(folder.in('night.yaml'), 'buckets:\n  - { bucket: x, folder: ./x, projects: [nobody] }\n')
  const ended = await run(['serve', '--data', folder.in('data'), '--port', '0', '--config', folder.in('night.yaml'), ...nowhere])
  expectFailure(ended, 1, "project 'nobody', which does not exist", 'nightshift projects create nobody')
})

test.concurrent('files that are not those of the database are refused, and doctor names them', async () => {
  await using folder = await openFolder()
  const [data, elsewhere] = [folder.in('data'), folder.in('elsewhere')]
  await using first = await serve(data, 'http://127.0.0.1:1')
  first.signal('SIGTERM')
  await first.ended
  const other = ['--data', data, '--blobs', elsewhere]
  const [served, looked] = [await run(['serve', '--port', '0', ...other, ...nowhere]), await run(['doctor', ...other])]
  expectFailure(served, 1, `The files at ${elsewhere}/files are not those of the database`, '--blobs')
  expect(looked.out).toMatch(/^WRONG {2}files: .*elsewhere.*not the place of this database's files/m)
  expect((await run(['doctor', '--data', data])).out).toMatch(/^ok {5}files: /m)
})
