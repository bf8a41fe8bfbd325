import { expect, test } from 'vitest'
import { wantedOf } from './slots.ts'

const backend = { models: ['m'], state: 'open', most: 8, inFlight: 2 } as const

test('lines that wait for their next attempt need slots too', () => {
  expect(wantedOf({ ...backend, inFlight: 0 }, [], [{ model: 'm', left: 3 }])).toBe(3)
})

test('all slots while shards wait, no more than there are, none for models that the backend has not, and never less than is open', () => {
  expect(wantedOf(backend, [{ model: 'm', waiting: true }], [])).toBe(8)
  expect(wantedOf(backend, [{ model: 'm', waiting: false }], [{ model: 'm', left: 20 }])).toBe(8)
  expect(wantedOf(backend, [{ model: 'n', waiting: true }], [{ model: 'n', left: 20 }])).toBe(2)
  expect(wantedOf({ ...backend, state: 'closed' }, [{ model: 'm', waiting: true }], [{ model: 'm', left: 20 }])).toBe(2)
})
