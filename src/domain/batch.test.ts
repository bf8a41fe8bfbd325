import { expect, test } from 'vitest'
import { batchAfter, isTerminal, windowMs, type BatchEvent, type BatchStatus } from './batch.ts'

const statuses = Object.keys(batchAfter) as BatchStatus[]

test('nothing leaves a terminal status', () => {
  for (const status of statuses.filter(isTerminal))
    for (const [event, to] of Object.entries(batchAfter[status]))
      expect([event, to]).toEqual([event, event === 'cancel' && status === 'cancelled' ? 'cancelled' : null])
})

test('every status is reached from validating, and every way ends', () => {
  const reached = new Set<BatchStatus>(['validating', 'finalizing'])
  for (let grown = true; grown;) {
    const next = [...reached].flatMap((s) => Object.values(batchAfter[s])).filter((s) => s !== null)
    grown = next.some((s) => !reached.has(s))
    for (const s of next) reached.add(s)
  }
  expect([...reached].toSorted()).toEqual(statuses.toSorted())
})

test('a batch that is being cancelled never expires or completes', () => {
  const ends = (Object.keys(batchAfter.cancelling) as BatchEvent[]).filter((e) => batchAfter.cancelling[e] !== null)
  expect(ends).toEqual(['cancel', 'published cancelled'])
})

test('windows are hours or days', () => {
  expect(['24h', '1h', '14d', '0h', '24', 'h', '1.5h', ''].map(windowMs)).toEqual([
    86_400_000,
    3_600_000,
    1_209_600_000,
    null,
    null,
    null,
    null,
    null,
  ])
})
