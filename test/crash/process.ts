import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { poll } from '../conformance/follow.ts'
import { freePort } from '../support/free-port.ts'
import type { Door } from '../conformance/wire.ts'

/** `nightshift serve` as a user starts it: a process with a data folder, which may be killed and started again at the same address. */
export interface ServerProcess extends Door {
  readonly projectId: string
  readonly data: string
  readonly pid: number | undefined
  /** What it wrote since its last start, standard output and error. */
  said(): string
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void
  /** Resolves when the process is gone. */
  kill(): Promise<void>
  /** Asks it to end, and resolves with its exit code. */
  stop(): Promise<number | null>
  start(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface ServerOptions {
  readonly backend: string
  /** A data folder to go on with; else a new one, which is removed at the end. */
  readonly data?: string
  readonly flags?: readonly string[]
}

const root = join(import.meta.dirname, '../..')

const newest = (folder: string, isMeant: (name: string) => boolean): number =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(isMeant)
    .reduce((latest, name) => Math.max(latest, statSync(join(folder, name)).mtimeMs), 0)

/** How the program is run: as it was built (a build marks its end in `.built`), unless its source is newer than that. */
export function program(): readonly string[] {
  const built = join(root, 'dist/cli/main.js')
  const builtAt = existsSync(built) ? newest(join(root, 'dist'), (name) => name.endsWith('.js') || name === '.built') : 0
  const changedAt = newest(join(root, 'src'), (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  if (builtAt > changedAt) return [built]
  return ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href, join(root, 'src/cli/main.ts')]
}

export async function startProcess({ backend, data: given, flags = [] }: ServerOptions): Promise<ServerProcess> {
  const data = given ?? (await mkdtemp(join(tmpdir(), 'nightshift-process-')))
  const port = await freePort()
  const command = [
    ...program(),
    'serve',
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--data',
    data,
    '--backend',
    backend,
    ...flags,
  ]
  const baseUrl = `http://127.0.0.1:${port}`
  let said = ''
  let child: ChildProcess | undefined
  let gone: Promise<number | null> = Promise.resolve(null)

  async function start(): Promise<void> {
    said = ''
    const started = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text: string) => (said = (said + text).slice(-100_000)))
    }
    gone = new Promise((resolve) => started.on('close', resolve))
    child = started
    const isReady = async () => {
      if (started.exitCode !== null) throw new Error(`the server ended with ${started.exitCode} at its start:\n${said}`)
      return fetch(`${baseUrl}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    }
    await poll(isReady, (ready) => ready, 'the server is ready', 30_000)
  }

  async function end(name: NodeJS.Signals): Promise<number | null> {
    child?.kill(name)
    return gone
  }

  await start()
  const { key, project } = JSON.parse(await readFile(join(data, 'credentials.json'), 'utf8')) as { key: string; project: string }
  return {
    baseUrl,
    key,
    projectId: project,
    data,
    get pid() {
      return child?.pid
    },
    said: () => said,
    signal: (name) => void child?.kill(name),
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
    start,
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
      if (given === undefined) await rm(data, { recursive: true, force: true })
    },
  }
}
