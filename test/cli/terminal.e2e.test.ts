import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { followToEnd, poll } from '../conformance/follow.ts'
import { linesOf, model, times } from '../conformance/lines.ts'
import { create, upload } from '../conformance/wire.ts'
import { program } from '../crash/process.ts'
import { openFolder, serve } from './program.ts'

/** util-linux's `script` gives a command a terminal. */
const hasTerminal = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ')

/** What a command writes on a terminal. */
async function onTerminal(args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<string> {
  const command = quoted([process.execPath, ...program(), ...args])
  const { NO_COLOR: _, ...rest } = process.env
  const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], { cwd, env: { ...rest, ...env } })
  return stdout
}

test.skipIf(!hasTerminal)('a terminal gets colours, unless NO_COLOR is set (needs script)', { concurrent: true }, async () => {
  await using folder = await openFolder()
  await using simulator = await startSimulator({ models: [model], firstTokenMs: 0, tokenMs: 0 })
  await using server = await serve(folder.in('nightshift-data'), simulator.url)
  const { id } = await create(server, { input_file_id: (await upload(server, linesOf(['']).text)).id })
  await followToEnd(server, id)
  const [colour, plain] = await Promise.all([
    onTerminal(['get', id], folder.path),
    onTerminal(['get', id], folder.path, { NO_COLOR: '1' }),
  ])
  expect(colour).toContain('\u001b[32mcompleted\u001b[0m')
  expect(plain).toContain('completed')
  expect(plain).not.toContain('\u001b')
})

test.skipIf(!hasTerminal)(
  'the first start shows its key on a terminal, with lines to paste (needs script)',
  { concurrent: true },
  async () => {
    const args = ['serve', '--port', '0', '--backend', 'http://127.0.0.1:1']
    await using folder = await openFolder()
    const serving = spawn('script', ['-qec', quoted([process.execPath, ...program(), ...args]), '/dev/null'], {
      cwd: folder.path,
    })
    let said = ''
    serving.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
    const ended = once(serving, 'close')
    try {
      await poll(
        async () => said,
        (text) => text.includes('curl'),
        'it says how to use it',
      )
    } finally {
      serving.stdin.end('\u0003') // Ctrl-C
      await ended
    }
    const { key } = JSON.parse(await readFile(folder.in('nightshift-data/credentials.json'), 'utf8')) as { key: string }
    expect(said).toContain(`export OPENAI_API_KEY=${key}`)
    expect(said).toMatch(/export OPENAI_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/v1/)
  },
)

test.concurrent('whoever has read enough (head) leaves no stack trace behind', async () => {
  await using folder = await openFolder()
  await using simulator = await startSimulator({ models: [model], firstTokenMs: 0, tokenMs: 0 })
  await using server = await serve(folder.in('nightshift-data'), simulator.url)
  const lines = linesOf(times(2000))
  const { id } = await create(server, { input_file_id: (await upload(server, lines.text)).id })
  await followToEnd(server, id)
  const command = `${quoted([process.execPath, ...program(), 'results', id, '--to', '-'])} | head -n 1`
  const { stdout, stderr } = await promisify(execFile)('sh', ['-c', command], { cwd: folder.path })
  expect(stdout).toMatch(/^\{.*\}\n$/)
  expect(stderr).toBe('')
})
