import { makeComposer } from './compose/compose.ts'
import { makeExecutor } from './run/execute.ts'
import { makeJanitor } from './clean/janitor.ts'
import { makeDeliverer } from './webhooks/deliver.ts'
import type { WorkerParts } from './parts.ts'
import { makePlanWalker } from './plan/plan-walk.ts'
import { makeRiskWatch } from './risk.ts'

/** Walks batches: plans, runs, composes, sweeps, watches their deadlines. Resolves when it was stopped and holds nothing any more. */
export async function runWorker(parts: WorkerParts, signal: AbortSignal): Promise<void> {
  const composer = makeComposer(parts)
  const walks = [
    makePlanWalker(parts),
    makeExecutor(parts, (id) => composer.ripe(id)),
    composer,
    makeJanitor(parts),
    makeDeliverer(parts),
    makeRiskWatch(parts),
  ]
  await Promise.all(walks.map((walk) => walk.run(signal)))
}
