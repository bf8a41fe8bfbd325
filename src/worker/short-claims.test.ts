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

/** Those of them that there is room for, one after the other. */
const admitted = (short: ReturnType<typeof countShort>, batches: readonly OpenBatch[], capacity: number) =>
  batches.map((one) => {
    if (short.full(one, capacity)) return false
    short.add(one)
    return true
  })

test('there is room for short batches until four times what the lanes take is at hand, the last one whole', () => {
  expect(admitted(countShort([]), [3, 4, 5, 1].map((lines) => batch(lines)), 2)).toEqual([true, true, true, false]) // prettier-ignore
})

test('what is at hand already counts, of short batches alone', () => {
  const short = countShort([run(batch(9), 7), run(batch(9, { planBlob: 'plan' }), 100)])
  expect(admitted(short, [batch(1), batch(1)], 2)).toEqual([true, false])
})

test('each project, model and endpoint has its own', () => {
  const short = countShort([run(batch(9), 8)])
  const others = [{ model: 'n' }, { endpoint: '/v1/embeddings' }, { projectId: 'p2' as typeof project }]
  expect(short.full(batch(1), 2)).toBe(true)
  expect(admitted(short, others.map((other) => batch(1, other)), 2)).toEqual([true, true, true]) // prettier-ignore
})
