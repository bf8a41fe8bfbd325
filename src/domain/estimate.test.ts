import fc from 'fast-check'
import { expect, test } from 'vitest'
import { learnedFactor, stillEnqueued, tokensOfLine, tokensServed } from './estimate.ts'
import type { Ending } from './outcome.ts'
import { noUsage, type Usage } from './usage.ts'

test('a line is as many tokens as its bytes make, and what its answer may have', () => {
  expect(tokensOfLine(401, true, 50)).toEqual({ input: 101, output: 50 })
  expect(tokensOfLine(400, true, null)).toEqual({ input: 100, output: 256 })
  expect(tokensOfLine(400, false, 50)).toEqual({ input: 100, output: 0 })
  expect(tokensOfLine(400, true, 1e18)).toEqual({ input: 100, output: 1_000_000 })
})

test('a line has taken no more of its backend than one can be taken for, whatever its answer says', () => {
  const took = (usage: Partial<Usage>) => tokensServed({ kind: 'answered', usage: { ...noUsage, ...usage } } as Ending)
  expect([took({ totalTokens: 7 }), took({ durationMs: 2000 }), took({})]).toEqual([7, 100, null])
  expect(took({ totalTokens: 1e8 })).toBe(1_000_000)
})

test('the factor goes to what was used over what was estimated, and stays in its bounds', () => {
  expect(learnedFactor({ estimated: 0, used: 0 })).toBe(1)
  expect(learnedFactor({ estimated: 1e9, used: 2.5e8 })).toBeCloseTo(0.25, 3)
  expect(learnedFactor({ estimated: 100, used: 300 })).toBeCloseTo(1.02, 2)
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (estimated, used) => {
      const factor = learnedFactor({ estimated, used })
      return factor >= 1 / 32 && factor <= 32 && (used >= estimated ? factor >= 1 : factor <= 1)
    }),
  )
})

test('what is given back never grows, and all of it is in the end', () => {
  fc.assert(
    fc.property(fc.nat(1e9), fc.integer({ min: 1, max: 1e6 }), (enqueued, lines) => {
      const half = Math.floor(lines / 2)
      expect(stillEnqueued(enqueued, lines, 0)).toBe(enqueued)
      expect(stillEnqueued(enqueued, lines, half)).toBeLessThanOrEqual(enqueued)
      expect(stillEnqueued(enqueued, lines, lines)).toBe(0)
      expect(stillEnqueued(enqueued, lines, lines + 5)).toBe(0)
    }),
  )
  expect(stillEnqueued(5, 0, 0)).toBe(0)
})
