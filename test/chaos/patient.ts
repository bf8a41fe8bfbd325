import { setTimeout as pause } from 'node:timers/promises'

/** What a patient client does: asks again until it has its answer. The last failure is the reason when it gives up. */
export async function patient<T>(what: string, ask: () => Promise<T>, withinMs = 90_000): Promise<T> {
  for (const end = Date.now() + withinMs; ; await pause(150))
    try {
      return await ask()
    } catch (error) {
      if (Date.now() > end) throw new Error(`${what}: not within ${withinMs} ms`, { cause: error })
    }
}
