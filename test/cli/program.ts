import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { poll } from '../conformance/follow.ts'
import type { Door } from '../conformance/wire.ts'
import { program } from '../crash/process.ts'

/** How a command ended, and what it wrote to its two pipes. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}
export interface Running extends AsyncDisposable {
  readonly pid: number
  readonly ended: Promise<Ended>
  out(): string
  err(): string
  signal(name: NodeJS.Signals): void
}
export interface Surroundings {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** As a user who has no rights. */
  readonly asNobody?: boolean
}

const nobody = { uid: 65534, gid: 65534 }
const isRoot = process.getuid?.() === 0

/** Nothing of the surroundings decides what a test sees: no settings, no keys, no colours. */
const clean = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(NIGHTSHIFT_|OPENAI_|NO_COLOR|FORCE_COLOR|NODE_OPTIONS|VITEST)/.test(name)),
)

/** Starts `nightshift` with these arguments, as a user does, with pipes for its output. */
export function start(args: readonly string[], { cwd = tmpdir(), env = {}, asNobody = false }: Surroundings = {}): Running {
  const child: ChildProcess = spawn(process.execPath, [...program(), ...args], {
    cwd,
    env: { ...clean, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(asNobody && isRoot ? nobody : {}),
  })
  const said = { out: '', err: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said.out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said.err += text))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      if ((said.out + said.err).includes('\u001b')) reject(new Error(`a pipe gets no escape codes: ${JSON.stringify(said)}`))
      else resolve({ code, ...said })
    })
  })
  return {
    pid: child.pid ?? 0,
    ended,
    out: () => said.out,
    err: () => said.err,
    signal: (name) => void child.kill(name),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Runs a command to its end. */
export const run = (args: readonly string[], surroundings?: Surroundings): Promise<Ended> => start(args, surroundings).ended

/** It failed with this code and one sentence that says so, without a stack trace. */
export function expectFailure({ code, out, err }: Ended, expected: number, ...says: (RegExp | string)[]): void {
  expect(code, out + err).toBe(expected)
  const told = err.split('\n').filter((line) => line !== '')
  expect(told.at(-1), err).toMatch(/^(nightshift|error): /)
  expect(err).not.toMatch(/^\s+at /m)
  for (const what of says) expect(told.at(-1)).toMatch(what)
}

/** A folder that is gone at the end. */
export async function openFolder(): Promise<{ readonly path: string; in(name: string): string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'nightshift-cli-'))
  await chmod(path, 0o755)
  return {
    path,
    in: (name) => join(path, name),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

/** Root may write everywhere, so the tests of rights run the program as somebody else; only where such a one can read it. */
export const hasNobody = (): boolean =>
  !isRoot || spawnSync(process.execPath, [...program(), '--version'], { ...nobody, cwd: tmpdir(), env: clean }).status === 0

/** `serve` on a free port, when it listens, whether its backends are there or not. */
export async function serve(
  data: string,
  backend: string,
  { flags = [], ...surroundings }: Surroundings & { readonly flags?: readonly string[] } = {},
): Promise<Running & Door> {
  const server = start(['serve', '--port', '0', '--data', data, '--backend', backend, ...flags], surroundings)
  const url = await poll(
    async () => /listens on (\S+)\n.*(?:credentials\.json|keys create)/s.exec(server.err())?.[1],
    (seen) => seen !== undefined,
    'the server listens',
  ).catch(async (error: unknown) => {
    await server[Symbol.asyncDispose]()
    throw new Error(`the server does not listen:\n${server.err()}`, { cause: error })
  })
  const { key } = JSON.parse(await readFile(join(data, 'credentials.json'), 'utf8')) as { key?: string }
  return { ...server, baseUrl: url ?? '', key: key ?? '' } // NOTE: none where the database had keys before
}
