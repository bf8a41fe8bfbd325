import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { stamps } from '../support/stamps.ts'
import { getBatch, type Batch, type Door } from './wire.ts'

export const terminal = ['completed', 'failed', 'expired', 'cancelled']

const order: Record<string, readonly string[]> = {
  validating: ['in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled'],
  in_progress: ['finalizing', 'completed', 'expired', 'cancelling', 'cancelled'],
  finalizing: ['completed', 'expired', 'cancelling', 'cancelled'],
  cancelling: ['cancelled'],
  completed: [],
  failed: [],
  expired: [],
  cancelled: [],
}

/** What must hold between two looks at one batch, whatever happened in between (I5, I6, check 75). */
export function expectProgress(before: Batch | undefined, now: Batch): void {
  const { total, completed, failed } = now.request_counts
  expect(completed + failed, 'completed + failed <= total').toBeLessThanOrEqual(total)
  if (!terminal.includes(now.status)) expect([now.output_file_id, now.error_file_id]).toEqual([null, null])
  const times = stamps.map((stamp) => now[stamp]).filter((at) => at !== null)
  expect(times.every(Number.isInteger), `whole seconds: ${times.join()}`).toBe(true)
  expect(times, 'stamps do not run backwards').toEqual(times.toSorted((a, b) => a - b))
  if (!before) return
  if (before.status !== now.status) expect(order[before.status], `${before.status} -> ${now.status}`).toContain(now.status)
  for (const stamp of stamps) if (before[stamp] !== null) expect(now[stamp], `${stamp} is stamped once`).toBe(before[stamp])
  expect(total).toBeGreaterThanOrEqual(before.request_counts.total)
  expect(completed).toBeGreaterThanOrEqual(before.request_counts.completed)
  expect(failed).toBeGreaterThanOrEqual(before.request_counts.failed)
  if (terminal.includes(before.status)) expect(now).toEqual(before)
}

/** Asks again until `is` holds. The one place where the suite waits for a server: from outside there is nothing to listen to. */
export async function poll<T>(
  ask: () => Promise<T>,
  is: (seen: T) => boolean,
  what: string,
  withinMs = 20_000,
  everyMs = 15,
): Promise<T> {
  const end = Date.now() + withinMs
  for (;;) {
    const seen = await ask()
    if (is(seen)) return seen
    if (Date.now() > end) throw new Error(`${what}: not within ${withinMs} ms; last seen: ${JSON.stringify(seen)?.slice(0, 600)}`)
    await pause(everyMs)
  }
}

/** Follows a batch until `is` holds, and checks each step on the way. Gives every distinct look at it, the last one last. */
export async function follow(door: Door, id: string, is: (batch: Batch) => boolean, withinMs?: number): Promise<Batch[]> {
  const looks: Batch[] = []
  const look = async () => {
    const now = await getBatch(door, id)
    expectProgress(looks.at(-1), now)
    if (JSON.stringify(now) !== JSON.stringify(looks.at(-1))) looks.push(now)
    return now
  }
  await poll(look, is, `batch ${id}`, withinMs)
  return looks
}

/** Until the batch has ended, in whichever way. */
export async function followToEnd(door: Door, id: string, withinMs?: number): Promise<Batch> {
  const looks = await follow(door, id, (batch) => terminal.includes(batch.status), withinMs)
  return looks.at(-1) as Batch
}
