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
}

export function makeMember(name: string, args: readonly string[], folder: string, peak: (pid: number) => number): Member {
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(NIGHTSHIFT_|OPENAI_|NODE_OPTIONS)/.test(key)))
  let child: ChildProcess | null = null
  let gone = Promise.resolve()
  let most = 0
  const measure = () => {
    if (child?.pid !== undefined) most = Math.max(most, peak(child.pid))
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    measure()
    child?.kill('SIGCONT')
    child?.kill(signal)
    await gone
    child = null
  }

  return {
    name,
    start() {
      if (child) return
      const log = openSync(`${folder}/${name}.log`, 'a')
      const started = spawn(process.execPath, [...program(), ...args], { cwd: folder, env, stdio: ['ignore', log, log] })
      closeSync(log)
      child = started
      gone = new Promise((resolve) => started.once('exit', () => resolve()))
    },
    kill: () => end('SIGKILL'),
    leave: () => end('SIGTERM'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    peakBytes() {
      measure()
      return most
    },
  }
}
