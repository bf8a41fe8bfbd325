import type { OpenBatch } from '../store/shards.ts'

/** Projects in turn, within a project oldest first: who comes late with a small batch need not wait behind all batches of somebody else. */
export function turns(open: readonly OpenBatch[]): OpenBatch[] {
  const rank = new Map<OpenBatch, number>()
  const seen = new Map<string, number>()
  for (const batch of open) {
    const n = seen.get(batch.projectId) ?? 0
    seen.set(batch.projectId, n + 1)
    rank.set(batch, n)
  }
  return open.toSorted((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0))
}
