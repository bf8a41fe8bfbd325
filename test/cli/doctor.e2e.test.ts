import { rm, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { poll } from '../conformance/follow.ts'
import { expectFailure, openFolder, run, serve, start } from './program.ts'

test.concurrent('doctor ends with 0 where all is well, beside a running server too', async () => {
  await using folder = await openFolder()
  await using simulator = await startSimulator({ models: ['a'] })
  await using server = await serve(folder.in('data'), simulator.url)
  const args = ['doctor', '--data', folder.in('data'), '--backend', simulator.url]
  const [words, json] = await Promise.all([run(args), run([...args, '--json'])])
  expect([words.code, json.code], words.out + server.err()).toEqual([0, 0])
  expect(words.out.trimEnd().split('\n')).toSatisfy((lines: string[]) => lines.every((l) => l.startsWith('ok ')))
  expect(words.out).toContain(`backend ${simulator.url}: has a`)
  const found = JSON.parse(json.out) as { what: string; ok: boolean; says: string }[]
  expect(found.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['settings', 'data folder', 'database', 'bucket default', `backend ${simulator.url}`, 'clock']),
  )
})

test.concurrent('doctor names what is wrong and what to do, and ends with 1', async () => {
  await using folder = await openFolder()
  const data = folder.in('data')
  await run(['projects', 'create', 'default', '--data', data])
  await rm(folder.in('data/buckets/default'), { recursive: true })
  await writeFile(folder.in('file'), '')
  const [unreachable, unset, unusable] = await Promise.all([
    run(['doctor', '--data', data, '--backend', 'http://127.0.0.1:1']),
    run(['doctor', '--data', data], { cwd: folder.path }),
    run(['doctor', '--data', folder.in('file/data')]),
  ])
  expect([unreachable.code, unset.code, unusable.code]).toEqual([1, 1, 1])
  expect(unreachable.out).toMatch(/^WRONG {2}backend http:\/\/127\.0\.0\.1:1: it cannot be reached .*: check that it runs/m)
  expect(unreachable.out).toMatch(/^WRONG {2}bucket default: its folder \S+ is not there: make it$/m)
  expect(unreachable.out).toMatch(/^ok {5}database: /m)
  expect(unset.out).toMatch(/^WRONG {2}backends: none is set: give one with --backend URL/m)
  expect(unusable.out).toMatch(
    /^WRONG {2}data folder: \S+ cannot be written .*: change its rights, or name another with --data$/m,
  )
})

test.concurrent('simulate says that it is one, answers, and ends when it is told', async () => {
  for (const [name, code] of [
    ['SIGTERM', 0],
    ['SIGINT', 130],
  ] as const) {
    await using simulator = start(['simulate', '--models', 'a,b', '--seed', '7'])
    const said = await poll(
      async () => simulator.out(),
      (text) => text.includes('\n'),
      'it says where it listens',
    )
    expect(said).toMatch(/^A simulated inference server listens on \S+ \(models: a, b\)\. Its answers are made up\.$/m)
    const [url] = /http:\S+/.exec(said) ?? ['']
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] }
    expect(data.map(({ id }) => id)).toEqual(['a', 'b'])
    simulator.signal(name)
    expect((await simulator.ended).code).toBe(code)
  }
})

test.concurrent('simulate refuses what it cannot do, and names the flag', async () => {
  const [rate, slots] = await Promise.all([run(['simulate', '--error-rate', '2']), run(['simulate', '--slots', '0'])])
  expectFailure(rate, 2, "--error-rate: '2'")
  expectFailure(slots, 2, "--slots: '0'")
})

test.concurrent('worker says what is missing, and what to use', async () => {
  expectFailure(await run(['worker']), 2, '--database', 'nightshift serve')
})

test.concurrent('an unknown command, or none, is wrong usage; help and version are not', async () => {
  const [unknown, none, help, version] = await Promise.all([run(['serv']), run([]), run(['--help']), run(['--version'])])
  expect([unknown.code, none.code, help.code, version.code]).toEqual([2, 2, 0, 0])
  expect(unknown.err).toContain("unknown command 'serv'")
  expect(help.out).toContain('Exit codes: 0 done; 1 it failed; 2 wrong usage or settings')
  expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/)
})
