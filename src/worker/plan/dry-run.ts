import type { DryRun } from '../../domain/dry-run.ts'
import type { BatchId, ProjectId } from '../../domain/ids.ts'
import { makePlanMaker } from './make-plan.ts'
import type { WorkerParts } from '../parts.ts'

export interface DryRunAsk {
  readonly projectId: ProjectId
  readonly input: string
  readonly endpoint: string
}

/** Plans a file as a batch of it would be planned, and keeps nothing. @throws what the planner throws; the signal's reason */
export function makeDryRun(parts: WorkerParts): (ask: DryRunAsk, signal: AbortSignal) => Promise<DryRun> {
  const makePlan = makePlanMaker(parts)
  return async ({ projectId, input, endpoint }, signal) => {
    const batch = { id: 'dry-run' as BatchId, projectId, input, endpoint, retried: null }
    const plan = await makePlan({ batch, fence: 0, dry: true }, signal)
    if (plan.kind === 'refused') return plan
    const { lines, bytes, model, tokens } = plan
    return { kind: 'good', endpoint, lines, bytes, model, tokens }
  }
}
