import { inspect } from 'node:util'
import { SettingsError } from '../config/error.ts'

/** How a command ends (docs: exit codes). */
export const exit = { done: 0, failed: 1, usage: 2, someFailed: 3, stopped: 130 } as const
export type Exit = (typeof exit)[keyof typeof exit]

/** Something that the person at the terminal can mend: told without a stack. */
export class Failure extends Error {
  override name = 'Failure'
  readonly exit: Exit
  constructor(message: string, code: Exit = exit.failed, options?: ErrorOptions) {
    super(message, options)
    this.exit = code
  }
}

const exitOf = (error: unknown): Exit =>
  error instanceof Failure ? error.exit : error instanceof SettingsError ? exit.usage : exit.failed

/** What went wrong in one sentence; with `verbose` everything that is known. */
export function tellFailure(error: unknown, verbose: boolean, write: (text: string) => void): Exit {
  write(`nightshift: ${listenTrouble(error) ?? (error instanceof Error ? error.message : String(error))}\n`)
  if (verbose) write(`${inspect(error)}\n`)
  return exitOf(error)
}

/** Why nobody can listen where the settings say. */
function listenTrouble(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  const { code, syscall, address, port, hostname } = error as NodeJS.ErrnoException &
    Partial<Record<'address' | 'port' | 'hostname', unknown>>
  if (syscall === 'getaddrinfo') return `There is no host '${String(hostname)}'. Name an address of this machine with --host.`
  if (syscall !== 'listen') return null
  const at = `${String(address).includes(':') ? `[${String(address)}]` : String(address)}:${String(port)}`
  if (code === 'EADDRINUSE')
    return `${at} is in use. Name another port with --port (--worker-port of a worker), or stop the program that has it.`
  if (code === 'EADDRNOTAVAIL') return `${String(address)} is not an address of this machine. Name another with --host.`
  if (code === 'EACCES')
    return `This user may not listen on ${at}. Name a port above 1023 with --port (--worker-port of a worker).`
  return null
}
