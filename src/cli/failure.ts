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
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const message =
    code === 'EADDRINUSE'
      ? 'The port is in use. Name another with --port, or stop the program that has it.'
      : error instanceof Error
        ? error.message
        : String(error)
  write(`nightshift: ${message}\n`)
  if (verbose && error instanceof Error) write(`${error.stack ?? ''}\n`)
  return exitOf(error)
}
