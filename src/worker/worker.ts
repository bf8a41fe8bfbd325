import { makeComposer } from './compose.ts'
import { makeExecutor } from './execute.ts'
import { makeJanitor } from './janitor.ts'
import type { WorkerParts } from './parts.ts'
import { makePlanWalker } from './plan-walk.ts'

/** Walks batches: plans, runs, composes, sweeps. Resolves when it was stopped and holds nothing any more. */
export async function runWorker(parts: WorkerParts, signal: AbortSignal): Promise<void> {
  const composer = makeComposer(parts)
  const walks = [makePlanWalker(parts), makeExecutor(parts, (id) => composer.ripe(id)), composer, makeJanitor(parts)]
  await Promise.all(walks.map((walk) => walk.run(signal)))
}
