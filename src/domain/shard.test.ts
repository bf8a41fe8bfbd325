import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatRanges, overlap, parseRanges, rangesOf } from './shard.ts'

const ordinals = fc.uniqueArray(fc.nat(200)).map((list) => new Set(list))

test('ranges have exactly the ordinals that they were made of, and survive being text', () => {
  fc.assert(
    fc.property(ordinals, (set) => {
      const ranges = parseRanges(formatRanges(rangesOf(201, (n) => set.has(n))))
      const back = new Set(ranges.flatMap(([a, b]) => Array.from({ length: b - a + 1 }, (_, i) => a + i)))
      expect(back).toEqual(set)
    }),
  )
})

test('two lists overlap exactly when they share an ordinal', () => {
  fc.assert(
    fc.property(ordinals, ordinals, (a, b) => {
      const shared = [...a].some((n) => b.has(n))
      expect(
        overlap(
          rangesOf(201, (n) => a.has(n)),
          rangesOf(201, (n) => b.has(n)),
        ),
      ).toBe(shared)
    }),
  )
})

test('what is not a range is refused', () => {
  for (const text of ['a', '3-1', '1-2-x', ',']) expect(() => parseRanges(text)).toThrow(/not a range/)
})
