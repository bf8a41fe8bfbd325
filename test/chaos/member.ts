import { closeSync, openSync } from 'node:fs'
import { spawn, type ChildProcess } from 'node:child_process'
import { program } from '../crash/process.ts'

/** A process of the fleet: `nightshift serve` or `nightshift worker`, which may be killed, stopped and started again. What it says goes to a file. */
export interface Member {
  readonly name: string
  /** Starts it, if it is not there. */
  start(): void
  kill(): Promise<void>
  /** Asks it to end, and waits for that. */
  leave(): Promise<void>
  freeze(): void
  thaw(): void
  /** The most memory that it had, of all its lives, bytes. */
  peakBytes(): number
  /** How often it ended by itself at its start, because it found no database, and was started again. */
  readonly startedAgain: number
  /** How it ended by itself when it had begun to work; null: it never did. */
  readonly fell: string | null
}

/** A start takes so long at most, with 30 s of waiting for S3: who cannot begin ends with 1, and whoever looks after it (systemd, Kubernetes) starts it again. */
const startMs = 45_000
const againMs = 500

export function makeMember(name: string, args: readonly string[], folder: string, peak: (pid: number) => number): Member {
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(NIGHTSHIFT_|OPENAI_|NODE_OPTIONS)/.test(key)))
  let child: ChildProcess | null = null
  let gone = Promise.resolve()
  let most = 0
  let again: NodeJS.Timeout | undefined
  let startedAgain = 0
  let fell: string | null = null
  const measure = () => {
    if (child?.pid !== undefined) most = Math.max(most, peak(child.pid))
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    measure()
    clearTimeout(again)
    const ending = child
    child = null
    ending?.kill('SIGCONT')
    ending?.kill(signal)
    await gone
  }

  function start(): void {
    if (child) return
    const log = openSync(`${folder}/${name}.log`, 'a')
    const started = spawn(process.execPath, [...program(), ...args], { cwd: folder, env, stdio: ['ignore', log, log] })
    closeSync(log)
    const at = Date.now()
    child = started
    gone = new Promise((resolve) => started.once('exit', () => resolve()))
    started.once('exit', (code, signal) => {
      if (child !== started) return
      child = null
      if (code !== 1 || Date.now() - at > startMs) fell = `it ended by itself with ${signal ?? code}`
      startedAgain++
      again = setTimeout(start, againMs)
    })
  }

  return {
    name,
    start,
    kill: () => end('SIGKILL'),
    leave: () => end('SIGTERM'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    peakBytes() {
      measure()
      return most
    },
    get startedAgain() {
      return startedAgain
    },
    get fell() {
      return fell
    },
  }
}
