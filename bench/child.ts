/** A process of its own, as a user starts it, and what it costs: CPU and memory from /proc. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Server extends AsyncDisposable {
  readonly url: string
  readonly key: string
  readonly data: string
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

const home = new URL('..', import.meta.url)
const ticksASecond = 100

export async function startServer(
  flags: readonly string[],
  data = mkdtempSync(join(tmpdir(), 'nightshift-bench-')),
): Promise<Server> {
  const child = spawn(
    process.execPath,
    [new URL('dist/cli/main.js', home).pathname, 'serve', '--data', data, '--port', '0', '--log-level', 'warn', ...flags],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const url = await said(child, /listens on (\S+)/)
  const { key } = JSON.parse(readFileSync(join(data, 'credentials.json'), 'utf8')) as { key: string }
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
    url,
    key,
    data,
    pid,
    kill,
    cpuMicros() {
      const fields = proc('stat')
        .slice(proc('stat').lastIndexOf(')') + 2)
        .split(' ')
      return ((Number(fields[11]) + Number(fields[12])) * 1e6) / ticksASecond
    },
    rssBytes: () => status('VmRSS'),
    peakBytes: () => status('VmHWM'),
    writtenBytes: () => Number(/write_bytes: (\d+)/.exec(proc('io'))?.[1] ?? 0),
    async [Symbol.asyncDispose]() {
      await kill('SIGTERM')
      rmSync(data, { recursive: true, force: true })
    },
  }
}

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
