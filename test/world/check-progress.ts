import { batchAfter, type Batch } from '../../src/domain/batch.ts'
import type { Ledger } from './ledger.ts'

/** I5, I6, as a client sees them: between two looks at a batch it has only moved on. */
export function checkProgress(before: Batch, now: Batch, ledger: Ledger): void {
  const { id, total, sums } = now
  if (sums.completed + sums.failed > total)
    ledger.wrong('I5', `batch ${id}: ${sums.completed} + ${sums.failed} results of ${total} lines`)
  for (const name of Object.keys(sums) as (keyof typeof sums)[])
    if (sums[name] < before.sums[name]) ledger.wrong('I5', `batch ${id}: ${name} fell from ${before.sums[name]} to ${sums[name]}`)
  if (!reachable(before.status).has(now.status)) ledger.wrong('I6', `batch ${id}: ${before.status}, then ${now.status}`)
}

function reachable(from: Batch['status'], found = new Set<Batch['status']>()): Set<Batch['status']> {
  if (found.has(from)) return found
  found.add(from)
  for (const to of Object.values(batchAfter[from])) if (to) reachable(to, found)
  return found
}
