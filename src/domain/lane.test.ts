import fc from 'fast-check'
import { expect, test } from 'vitest'
import { adapt, freshPace, type Pace, type Seen } from './lane.ts'

const anySeen = fc.record<Seen>({ meaning: fc.constantFrom('good', 'overload', 'nothing'), inFlight: fc.nat(100) })
const windowOf = (pace: Pace, ceiling: number): Pace => {
  let next = pace
  for (let i = 0; i < pace.limit; i++) next = adapt(next, { meaning: 'good', inFlight: pace.limit - 1 }, ceiling)
  return next
}
const refuse = (pace: Pace, inFlight: number): Pace => adapt(pace, { meaning: 'overload', inFlight }, 1000)

test('a limit stays between 1 and the ceiling, whatever comes back', () =>
  fc.assert(
    fc.property(fc.array(anySeen, { maxLength: 500 }), fc.integer({ min: 1, max: 64 }), (all, ceiling) => {
      let pace = freshPace(Math.min(32, ceiling))
      for (const seen of all) {
        pace = adapt(pace, seen, ceiling)
        expect(pace.limit >= 1 && pace.limit <= ceiling && Number.isInteger(pace.limit)).toBe(true)
      }
    }),
  ))

test('it doubles each full window until the first overload, then rises by one', () => {
  let pace = freshPace(4)
  pace = windowOf(pace, 1000)
  expect(pace.limit).toBe(8)
  pace = windowOf(pace, 1000)
  expect(pace.limit).toBe(16)
  pace = refuse(pace, 15)
  expect(pace.limit).toBe(15)
  expect(windowOf(pace, 1000).limit).toBe(16)
})

test('a wave of refusals leaves what the backend took', () => {
  let pace = freshPace(64)
  for (let inFlight = 63; inFlight >= 32; inFlight--) pace = refuse(pace, inFlight)
  expect(pace.limit).toBe(32)
})

test('a refusal while little was in flight does not forget what the backend took before', () => {
  let pace = refuse(freshPace(64), 40)
  pace = refuse(pace, 2)
  expect(pace.limit).toBe(2)
  pace = windowOf(windowOf(windowOf(pace, 1000), 1000), 1000)
  expect(pace.limit).toBe(16)
})

test('answers to a lane that is half empty do not raise its limit', () => {
  let pace = freshPace(32)
  for (let i = 0; i < 200; i++) pace = adapt(pace, { meaning: 'good', inFlight: 3 }, 1000)
  expect(pace.limit).toBe(32)
})
