import { batchesAtRisk, nextLookMs, withLook, type Look } from '../domain/risk.ts'
import { forever } from '../kit/forever.ts'
import { markRisk, runningGroups } from '../store/risks.ts'
import type { WorkerParts } from './parts.ts'

/** Marks the batches that would miss their windows at the present pace: their owners see it, and within their projects all go by their deadlines until none is. */
export interface RiskWatch {
  /** One look. How long until the next. */
  step(): Promise<number>
  run(signal: AbortSignal): Promise<void>
}

export function makeRiskWatch({
  db,
  clock,
  log,
  events,
  random,
}: Pick<WorkerParts, 'db' | 'clock' | 'log' | 'events' | 'random'>): RiskWatch {
  let known: ReadonlyMap<string, readonly Look[]> = new Map()

  async function step(): Promise<number> {
    const at = clock.monotonic()
    const groups = await runningGroups(db)
    known = new Map(groups.map(({ key, done }) => [key, withLook(known.get(key) ?? [], { at, done })]))
    const [now, over]: [string[], string[]] = [[], []]
    for (const { key, batches } of groups) {
      const risky = batchesAtRisk(batches, known.get(key) ?? [])
      for (const { id, atRisk } of batches) if (risky.has(id) !== atRisk) (atRisk ? over : now).push(id)
    }
    for (const id of await markRisk(db, now, true)) events.batchAtRisk(id)
    for (const id of await markRisk(db, over, false)) events.batchInTime(id)
    return nextLookMs(groups.flatMap(({ batches }) => batches))
  }

  return { step, run: (signal) => forever('risk', step, { clock, log, random }, signal) }
}
