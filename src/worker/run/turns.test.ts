import { expect, test } from 'vitest'
import type { OpenBatch } from '../../store/shards.ts'
import { turns, type AtHand } from './turns.ts'

const batch = (id: string, lines: number, leftMs: number, more: Partial<Record<keyof OpenBatch, unknown>> = {}): OpenBatch =>
  ({
    id,
    projectId: id[0],
    model: 'm',
    endpoint: '/v1/chat/completions',
    leftMs,
    planBlob: null,
    lines,
    tokens: 0,
    weight: 1,
    atRisk: false,
    waiting: true,
    ...more,
  }) as OpenBatch
const each: AtHand = { lines: ({ lines }) => lines, enough: () => 100 }
const near = (open: readonly OpenBatch[], atHand = each) => turns(open, atHand).near.map(({ id }) => id)

test('the soonest and the smallest of a project, until each of the two orders has enough', () => {
  const open = [
    batch('a1', 5000, 1),
    batch('a2', 90, 9),
    batch('a3', 70, 8),
    batch('a4', 60, 7),
    batch('a5', 80, 6),
    batch('a6', 1000, 2),
  ]
  expect(near(open)).toEqual(['a1', 'a4', 'a3'])
  expect(turns(open, each).isCut).toBe(true)
})

test('projects in turn, each with its own', () => {
  const open = [batch('a1', 500, 1), batch('a2', 60, 2), batch('a3', 60, 3), batch('b1', 500, 9), batch('b2', 50, 10)]
  expect(near(open)).toEqual(['a1', 'b1', 'a2', 'b2', 'a3'])
  expect(turns(open, each).isCut).toBe(false)
})

test('each model and endpoint of a project has its own', () => {
  const open = [batch('a1', 500, 1), batch('a2', 500, 2, { model: 'n' }), batch('a3', 500, 3, { endpoint: '/v1/embeddings' })]
  expect(near(open)).toEqual(['a1', 'a2', 'a3'])
})

test('while one is at risk they go by their deadlines alone', () => {
  const open = [batch('a1', 500, 1), batch('a2', 10, 9), batch('a3', 400, 2, { atRisk: true })]
  expect(near(open)).toEqual(['a1'])
})

test('one of which nothing can be taken keeps nobody from their turn', () => {
  const open = [batch('a1', 5000, 1), batch('a2', 5000, 2), batch('a3', 5000, 3)]
  expect(near(open, { ...each, lines: ({ id, lines }) => (id === 'a1' ? 0 : lines) })).toEqual(['a1', 'a2'])
})
