import type { Day } from './day.ts'
import { addSums, noSums, type Sums } from './usage.ts'

/** By what usage is told apart. */
export const usageKeys = ['day', 'projectId', 'keyId', 'model', 'endpoint'] as const
export type UsageKey = (typeof usageKeys)[number]

/** Sums of one or more rows of the ledger; a key by which they are not told apart is null. */
export interface UsageRow {
  readonly day: Day | null
  readonly projectId: string | null
  readonly keyId: string | null
  readonly model: string | null
  readonly endpoint: string | null
  readonly batches: number
  readonly sums: Sums
}

export interface UsageGroup {
  readonly row: UsageRow
  /** What it was summed from. */
  readonly of: readonly UsageRow[]
}

/** Summed up until only the given keys tell rows apart, in the order in which each first came. */
export function grouped(rows: readonly UsageRow[], by: readonly UsageKey[]): UsageGroup[] {
  const groups = new Map<string, UsageRow[]>()
  const keysOf = ({ day, projectId, keyId, model, endpoint }: UsageRow) => ({
    day: by.includes('day') ? day : null,
    projectId: by.includes('projectId') ? projectId : null,
    keyId: by.includes('keyId') ? keyId : null,
    model: by.includes('model') ? model : null,
    endpoint: by.includes('endpoint') ? endpoint : null,
  })
  for (const row of rows) {
    const key = JSON.stringify(keysOf(row))
    const known = groups.get(key)
    if (known) known.push(row)
    else groups.set(key, [row])
  }
  return [...groups.values()].flatMap((of) => {
    const [first] = of
    if (!first) return []
    const batches = of.reduce((n, row) => n + row.batches, 0)
    return [{ of, row: { ...keysOf(first), batches, sums: of.reduce((sum, { sums }) => addSums(sum, sums), noSums) } }]
  })
}
