import { formatTime } from '../config/units.ts'
import { exit } from './failure.ts'

/** What a process ends with that a signal ends: 128 and its number. */
export const exitBySignal = { SIGINT: exit.stopped, SIGTERM: 143 } as const

/** The first SIGINT or SIGTERM asks to stop, and `said` may tell what happens now; the second ends the process at once. */
export function onStop(said: () => void = () => {}): { readonly signal: AbortSignal; readonly by: () => NodeJS.Signals | null } {
  const controller = new AbortController()
  let by: NodeJS.Signals | null = null
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (by !== null) process.exit(exitBySignal[name])
      by = name
      said()
      controller.abort()
    })
  return { signal: controller.signal, by: () => by }
}

/** When all is closed: a call that nobody waits for any more, to a server that does not answer, keeps the process for a moment and not for its own time. */
export const leaveSoon = (): void => void setTimeout(() => process.exit(), 500).unref()

export const stoppingWords = (graceMs: number): string =>
  `Stopping: open calls have ${formatTime(graceMs)} to end. Once more to end at once.\n`

/** Over when the time is, or at an abort. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const over = () => (clearTimeout(timer), signal?.removeEventListener('abort', over), resolve())
    const timer = setTimeout(over, ms)
    signal?.addEventListener('abort', over, { once: true })
    if (signal?.aborted) over()
  })
