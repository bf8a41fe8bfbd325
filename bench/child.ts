/** A process of its own, as a user starts it, and what it costs: CPU and memory from /proc. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuMicrosOf } from './cpu.ts'

/** A process of Nightshift. */
export interface Process extends AsyncDisposable {
  readonly pid: number
  /** Microseconds of CPU so far. */
  cpuMicros(): number
  rssBytes(): number
  /** The most that it had. */
  peakBytes(): number
  /** Bytes that it wrote to disk so far. */
  writtenBytes(): number
  kill(signal: NodeJS.Signals): Promise<void>
}

export interface Server extends Process {
  readonly url: string
  readonly key: string
  readonly data: string
}

const home = new URL('..', import.meta.url)

async function startProcess(args: readonly string[], says: RegExp): Promise<Process & { readonly said: string }> {
  const child = spawn(process.execPath, [new URL('dist/cli/main.js', home).pathname, ...args, '--log-level', 'warn'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const saying = await said(child, says)
  const pid = child.pid ?? 0
  const proc = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8')
  const status = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(proc('status'))?.[1] ?? 0) * 1024
  const kill = (signal: NodeJS.Signals) =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve()
      child.once('exit', () => resolve())
      child.kill(signal)
    })
  return {
    said: saying,
    pid,
    kill,
    cpuMicros: () => cpuMicrosOf(pid),
    rssBytes: () => status('VmRSS'),
    peakBytes: () => status('VmHWM'),
    writtenBytes: () => Number(/write_bytes: (\d+)/.exec(proc('io'))?.[1] ?? 0),
    [Symbol.asyncDispose]: () => kill('SIGTERM'),
  }
}

export async function startServer(
  flags: readonly string[],
  data = mkdtempSync(join(tmpdir(), 'nightshift-bench-')),
): Promise<Server> {
  const server = await startProcess(['serve', '--data', data, '--port', '0', ...flags], /listens on (\S+)/)
  const { key } = JSON.parse(readFileSync(join(data, 'credentials.json'), 'utf8')) as { key: string }
  return {
    ...server,
    url: server.said,
    key,
    data,
    async [Symbol.asyncDispose]() {
      await server.kill('SIGTERM')
      rmSync(data, { recursive: true, force: true })
    },
  }
}

export const startWorker = (flags: readonly string[]): Promise<Process> =>
  startProcess(['worker', ...flags], /(The worker works)/)

/** Waits for what a child says of itself. */
export function said(child: ChildProcess, what: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const found = what.exec(text)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${text}`)))
  })
}
