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
  /** There is no room for more of its project and lane. */
  full(batch: OpenBatch, capacity: number): boolean
  /** It is going to be claimed. */
  add(batch: OpenBatch): void
} {
  const lines = new Map<string, number>()
  const keyOf = ({ projectId, model, endpoint }: Whose) => `${projectId} ${endpoint} ${model}`
  for (const run of runs) if (isShort(run.batch)) lines.set(keyOf(run.batch), (lines.get(keyOf(run.batch)) ?? 0) + run.unsent)
  return {
    full: (batch, capacity) => (lines.get(keyOf(batch)) ?? 0) >= enough * capacity,
    add: (batch) => void lines.set(keyOf(batch), (lines.get(keyOf(batch)) ?? 0) + batch.lines),
  }
}
