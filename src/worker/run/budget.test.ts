import { expect, test } from 'vitest'
import type { BatchId, ProjectId } from '../../domain/ids.ts'
import { startRun, type BatchRun, type Held } from './batch-run.ts'
import { makeBudget } from './budget.ts'
import type { HeldShard } from './held-shard.ts'
import type { WorkerSettings } from '../parts.ts'

const MiB = 1024 * 1024
let made = 0

function runOf(project: string, model = 'm'): BatchRun {
  const batch = {
    id: `b${made++}` as BatchId,
    projectId: project as ProjectId,
    model,
    endpoint: '/v1/e',
    leftMs: 0,
    planBlob: 'p',
    lines: 1,
    tokens: 0,
    weight: 1,
    atRisk: false,
    waiting: true,
  }
  return startRun(batch, { monotonic: () => 0, open: () => true, hungry() {}, spent() {}, flushBytes: 1, attend() {} })
}
const budgetOf = (heldBytes: number) =>
  makeBudget(
    { heldBytes, flushBytes: 8 * MiB } as WorkerSettings,
    () => [],
    () => 0,
  )

/** Takes a shard of so many bytes, and gives what drops it again. */
function take(budget: ReturnType<typeof budgetOf>, run: BatchRun, bytes: number): () => void {
  const shard = { lease: { bytes }, unsent: 0 } as unknown as HeldShard
  const held = { shard, leaving: false } as unknown as Held
  run.add(held)
  budget.hold(run, shard)
  return () => {
    run.drop(held)
    budget.release(run, shard)
  }
}

test('a worker is full when its shards take its memory, each two stretches at most', () => {
  const budget = budgetOf(5 * MiB)
  const run = runOf('a')
  const drops = [take(budget, run, 100 * MiB), take(budget, run, MiB)]
  expect(budget.full(run)).toBe(false)
  drops.push(take(budget, run, MiB))
  expect(budget.full(run)).toBe(true)
  drops[1]?.()
  expect(budget.full(run)).toBe(false)
})

test('whoever holds all of it does not keep another project or model from its first shard', () => {
  const budget = budgetOf(5 * MiB)
  const hog = runOf('a', 'slow')
  for (let i = 0; i < 2; i++) take(budget, hog, 8 * MiB)
  const [other, model] = [runOf('b', 'slow'), runOf('a', 'quick')]
  expect([hog, other, model].map((run) => budget.full(run))).toEqual([true, false, false])
  const drop = take(budget, other, 8 * MiB)
  expect([hog, other, model].map((run) => budget.full(run))).toEqual([true, true, false])
  drop()
  expect(budget.full(other)).toBe(false)
})

test('but only up to a few times of it', () => {
  const budget = budgetOf(5 * MiB)
  for (let i = 0; i < 8; i++) take(budget, runOf(`p${i}`), 8 * MiB)
  expect(budget.full(runOf('one more'))).toBe(true)
})

test('batches that use the same lanes share what should be at hand', () => {
  const budget = budgetOf(64 * MiB)
  const [one, two, elsewhere] = [runOf('a'), runOf('a'), runOf('a', 'n')]
  expect(budget.wanted(one, 64)).toBe(128)
  const drop = take(budget, one, MiB)
  take(budget, one, MiB)
  take(budget, two, MiB)
  expect([one, two, elsewhere].map((run) => budget.wanted(run, 64))).toEqual([64, 64, 128])
  drop()
  expect(budget.wanted(two, 64)).toBe(64)
})
