import { appendFile, chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import Database from 'libsql'
import { expect, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { poll } from '../conformance/follow.ts'
import { line, linesOf, model, times, type Lines } from '../conformance/lines.ts'
import { expectFailure, hasNobody, openFolder, run, start } from './program.ts'

/** A simulator and a folder with `a.jsonl` in it. */
async function openRun(lines: Pick<Lines, 'text'>) {
  const simulator = await startSimulator({ models: [model], firstTokenMs: 0, tokenMs: 0 })
  const folder = await openFolder()
  await writeFile(folder.in('a.jsonl'), lines.text)
  const args = ['run', 'a.jsonl', '--backend', simulator.url, '--grace', '50ms', '--flush-every', '50ms']
  const cwd = folder.path
  return {
    simulator,
    folder,
    names: async () => (await readdir(folder.path)).toSorted(),
    customIds: async (name: string) =>
      (await readFile(folder.in(name), 'utf8'))
        .trimEnd()
        .split('\n')
        .map((text) => (JSON.parse(text) as { custom_id: string }).custom_id),
    run: (...more: string[]) => run([...args, ...more], { cwd }),
    runWith: (env: Record<string, string>) => run(args, { cwd, env }),
    /** Until so many results are saved, and the one line that is left hangs. */
    async startHanging(saved: number) {
      const before = simulator.stats().requests
      const running = start(args, { cwd })
      const database = folder.in('.a.jsonl.nightshift/nightshift.db')
      await poll(
        async () => ({ ...simulator.stats(), saved: savedIn(database), said: running.err() }),
        (seen) => seen.requests > before && seen.inFlight === 1 && seen.saved === saved,
        'one line hangs',
      )
      return running
    },
    async [Symbol.asyncDispose]() {
      await simulator[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** What would outlive a kill, as the state of the run has it. */
function savedIn(path: string): number {
  try {
    const db = new Database(path, { readonly: true })
    try {
      return (db.prepare('select sum(completed + failed) as n from segments').get() as { n: number | null }).n ?? 0
    } finally {
      db.close()
    }
  } catch {
    return 0 // not there yet
  }
}

const hanging = (n: number) => linesOf([...times(20), `[[hangx${n}]]`])

test.concurrent('the results lie beside the file and nothing else does; it ends with 0', async () => {
  const lines = linesOf(times(20))
  await using it = await openRun(lines)
  const { code, out, err } = await it.run()
  expect(code, err).toBe(0)
  expect(out).toContain('completed: 20 completed, 0 failed, of 20')
  expect(out).toContain(it.folder.in('a-output.jsonl'))
  expect(err).toMatch(/^validating$/m)
  expect(await it.names()).toEqual(['a-output.jsonl', 'a.jsonl'])
  expect((await it.customIds('a-output.jsonl')).toSorted()).toEqual(lines.customIds.toSorted())
})

test.concurrent('a line that failed is in the error file and it ends with 3; with --json there is one document', async () => {
  await using it = await openRun(linesOf(['', '[[400]]', '']))
  const { code, out, err } = await it.run('--json')
  expect(code, err).toBe(3)
  expect(err).toBe('')
  const told = { status: 'completed', total: 3, completed: 2, failed: 1, errors: null }
  expect(JSON.parse(out)).toEqual({ ...told, output: it.folder.in('a-output.jsonl'), error: it.folder.in('a-error.jsonl') })
  expect(await it.customIds('a-error.jsonl')).toEqual(['line-1'])
  expect(await it.names()).toEqual(['a-error.jsonl', 'a-output.jsonl', 'a.jsonl'])
})

test.concurrent('a file that is refused ends with 1, each fault with its line; nothing is sent and nothing is left', async () => {
  await using it = await openRun({ text: `${line('a', 'x')}\nnonsense\n${line('b', 'x')}\n${line('a', 'x')}\n` })
  const { code, out, err } = await it.run()
  expect(code).toBe(1)
  expect(err).toMatch(/^line 2: .*JSON/m)
  expect(err).toMatch(/^line 4: .*duplicate/m)
  expect(out).toContain('failed: 0 completed')
  expect(await it.names()).toEqual(['a.jsonl'])
  expect(it.simulator.stats().requests).toBe(0)
})

test.concurrent(
  'stopped by the user it ends with 130; stopped or killed, the same command goes on, each line in one result',
  async () => {
    const lines = hanging(2)
    await using it = await openRun(lines)
    await using stopped = await it.startHanging(20)
    stopped.signal('SIGINT')
    const { code, err } = await stopped.ended
    expect(code).toBe(130)
    expect(err).toMatch(/Stopped\. The same command goes on/)
    await using killed = await it.startHanging(20)
    killed.signal('SIGKILL')
    await killed.ended
    expect((await it.run()).code).toBe(0)
    expect((await it.customIds('a-output.jsonl')).toSorted()).toEqual(lines.customIds.toSorted())
    expect(it.simulator.stats().requests, 'only what hung was sent again').toBe(20 + 3)
    expect(await it.names()).toEqual(['a-output.jsonl', 'a.jsonl'])
  },
)

test.concurrent('a second run of a file that is being run is refused, with --restart too, and the first goes on', async () => {
  await using it = await openRun(hanging(1))
  await using first = await it.startHanging(20)
  expectFailure(await it.run(), 1, `${it.folder.in('a.jsonl')} is being run already`)
  expectFailure(await it.run('--restart'), 1, 'is being run already')
  first.signal('SIGINT')
  expect((await first.ended).code).toBe(130)
  expect((await it.run()).code).toBe(0)
  expect(it.simulator.stats().requests, 'nothing that the first did is lost').toBe(20 + 2)
})

test.concurrent('an input that changed is refused until it is put back, or --restart begins anew', async () => {
  await using it = await openRun(hanging(2))
  await using first = await it.startHanging(20)
  first.signal('SIGINT')
  await first.ended
  await rename(it.folder.in('a.jsonl'), it.folder.in('aside'))
  await writeFile(it.folder.in('a.jsonl'), `${await readFile(it.folder.in('aside'), 'utf8')}${line('more', 'x')}\n`)
  expectFailure(await it.run(), 1, 'has changed since its run began. Give --restart to begin anew, or put the file back.')
  expectFailure(await it.run(), 1, 'has changed since its run began')
  await rename(it.folder.in('aside'), it.folder.in('a.jsonl'))
  await using second = await it.startHanging(20)
  expect(it.simulator.stats().requests, 'it went on').toBe(20 + 2)
  second.signal('SIGINT')
  await second.ended
  await appendFile(it.folder.in('a.jsonl'), `${line('more', 'x')}\n`)
  expect((await it.run('--restart')).code).toBe(0)
  expect(await it.customIds('a-output.jsonl')).toHaveLength(22)
  expect(it.simulator.stats().requests, 'all of it once more').toBe(20 + 2 + 22)
})

test.concurrent('results never lie over a file that is there', async () => {
  await using it = await openRun(linesOf(['']))
  await writeFile(it.folder.in('a-output.jsonl'), 'mine')
  const { code, out } = await it.run()
  expect(code).toBe(0)
  expect(await readFile(it.folder.in('a-output.jsonl'), 'utf8')).toBe('mine')
  const other = (await it.names()).find((name) => !['a.jsonl', 'a-output.jsonl'].includes(name))
  expect(out).toContain(other)
})

test.skipIf(!hasNobody())(
  'a folder that cannot be written is named, and what to do (needs a user without rights)',
  { concurrent: true },
  async () => {
    await using it = await openRun(linesOf(['']))
    const folder = it.folder.in('sealed')
    await mkdir(folder)
    await rename(it.folder.in('a.jsonl'), `${folder}/a.jsonl`)
    await chmod(folder, 0o555)
    const ended = await run(['run', 'a.jsonl', '--backend', it.simulator.url], { cwd: folder, asNobody: true })
    expectFailure(ended, 1, `${folder} cannot be written`, /Copy the file/)
  },
)

test.concurrent('what cannot be run is refused with 2 before anything is made', async () => {
  await using it = await openRun({ text: '{"custom_id":"a"}\n' })
  const backend = ['--backend', it.simulator.url]
  const cwd = it.folder.path
  const [none, folder, unsaid, nowhere] = await Promise.all([
    run(['run', 'none.jsonl', ...backend], { cwd }),
    run(['run', '.', ...backend], { cwd }),
    run(['run', 'a.jsonl', ...backend], { cwd }),
    run(['run', 'a.jsonl'], { cwd }),
  ])
  expectFailure(none, 2, 'There is no file none.jsonl')
  expectFailure(folder, 2, 'is not a file')
  expectFailure(unsaid, 2, '--endpoint /v1/chat/completions')
  expectFailure(nowhere, 2, '--backend http')
  expect(await it.names()).toEqual(['a.jsonl'])
})

test.concurrent('it has no limit of lines but the one that is set', async () => {
  await using files = await openRun(linesOf(times(3)))
  const limited = await files.runWith({ NIGHTSHIFT_MAX_BATCH_LINES: '2' })
  expect(limited.code).toBe(1)
  expect(limited.err).toContain('at most 2 are allowed')
  await writeFile(files.folder.in('nightshift.yaml'), 'limits: { batchLines: 1 }\n')
  expect((await files.run()).err, 'a limit of the file in this folder').toContain('at most 1 are allowed')
  await rm(files.folder.in('nightshift.yaml'))
  expect((await files.run()).code).toBe(0)
})
