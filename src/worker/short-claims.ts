import type { OpenBatch } from '../store/shards.ts'
import type { BatchRun } from './batch-run.ts'

/** So many times what the lanes take at once. */
const enough = 4

type Whose = Pick<OpenBatch, 'projectId' | 'model' | 'endpoint'>

/** A batch whose plan lies in the rows of its shards: it is claimed whole, many of them in one statement. */
export const isShort = ({ planBlob }: Pick<OpenBatch, 'planBlob'>): boolean => planBlob === null

/**
 * Lines of short batches that are at hand, by project and lane. Beyond a few times what the lanes take, the rest waits in the database for whoever has room: of
 * thousands of batches a worker holds no more than it can send within a moment.
 */
export function countShort(runs: Iterable<BatchRun>): {
  /** Counts the batch in, if there is room for it. */
  admit(batch: OpenBatch, capacity: number): boolean
} {
  const lines = new Map<string, number>()
  const keyOf = ({ projectId, model, endpoint }: Whose) => `${projectId} ${endpoint} ${model}`
  for (const run of runs) if (isShort(run.batch)) lines.set(keyOf(run.batch), (lines.get(keyOf(run.batch)) ?? 0) + run.unsent)
  return {
    admit(batch, capacity) {
      const key = keyOf(batch)
      const now = lines.get(key) ?? 0
      if (now >= enough * capacity) return false
      lines.set(key, now + batch.lines)
      return true
    },
  }
}
