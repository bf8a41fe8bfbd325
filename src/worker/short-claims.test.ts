import { expect, test } from 'vitest'
import { nextId, project } from '../../test/support/batch-rows.ts'
import type { OpenBatch } from '../store/shards.ts'
import type { BatchRun } from './batch-run.ts'
import { countShort } from './short-claims.ts'

const batch = (lines: number, more: Partial<OpenBatch> = {}): OpenBatch => ({
  id: nextId(),
  projectId: project,
  model: 'm',
  endpoint: '/v1/chat/completions',
  leftMs: 1000,
  planBlob: null,
  lines,
  waiting: true,
  ...more,
})
const run = (of: OpenBatch, unsent: number) => ({ batch: of, unsent }) as BatchRun

test('short batches are admitted until four times what the lanes take is at hand, the last one whole', () => {
  const short = countShort([])
  expect([3, 4, 5, 1].map((lines) => short.admit(batch(lines), 2))).toEqual([true, true, true, false])
})

test('what is at hand already counts, of short batches alone', () => {
  const short = countShort([run(batch(9), 7), run(batch(9, { planBlob: 'plan' }), 100)])
  expect([1, 1].map((lines) => short.admit(batch(lines), 2))).toEqual([true, false])
})

test('each project, model and endpoint has its own', () => {
  const short = countShort([run(batch(9), 8)])
  const others = [{ model: 'n' }, { endpoint: '/v1/embeddings' }, { projectId: 'p2' as typeof project }]
  expect(short.admit(batch(1), 2)).toBe(false)
  expect(others.map((other) => short.admit(batch(1, other), 2))).toEqual([true, true, true])
})
