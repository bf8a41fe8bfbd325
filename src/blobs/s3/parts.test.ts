import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BlobRange } from '../blobs.ts'
import { composeSteps, leastPartBytes, partBytes, partBytesFor, partsAtMost, partsAtOnce } from './parts.ts'

const GB = 1e9
const partsOf = (bytes: number, whole?: number): number => {
  let parts = 0
  for (let left = bytes; left > 0; left -= partBytes(++parts, whole));
  return parts
}

test('at most 1,000 parts hold 20 GB, whether the size is known before or not', () => {
  expect(partsOf(20 * GB, 20 * GB)).toBeLessThanOrEqual(900)
  expect(partsOf(20 * GB)).toBeLessThanOrEqual(660)
  expect(partsOf(46 * GB)).toBeLessThanOrEqual(partsAtMost)
  expect(partsOf(4000 * GB, 4000 * GB)).toBeLessThanOrEqual(partsAtMost)
  expect(() => partsOf(47 * GB)).toThrow('more than 1000 parts')
})

test('parts never shrink, and few of the big ones are sent at once', () => {
  for (let n = 2; n <= partsAtMost; n++) expect(partBytes(n)).toBeGreaterThanOrEqual(partBytes(n - 1))
  expect([partBytes(1), partBytesFor(1)]).toEqual([8 * 1024 * 1024, 8 * 1024 * 1024])
  expect([partsAtOnce(partBytes(1)), partsAtOnce(partBytesFor(20 * GB)), partsAtOnce(partBytes(900))]).toEqual([4, 1, 1])
})

const anySize = fc.oneof(
  fc.integer({ min: 0, max: 200_000 }),
  fc.integer({ min: 0, max: 20_000_000 }),
  fc.integer({ min: 0, max: 3_000_000_000 }),
)
const bytesOf = (ranges: readonly BlobRange[]) => ranges.reduce((sum, { bytes }) => sum + bytes, 0)

test('steps of a composed blob are its stretches in order, big enough, and not too many', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ start: fc.nat(9), bytes: anySize }), { maxLength: 1200 }), (list) => {
      const ranges = list.map(({ start, bytes }, i) => ({ name: `b${i}`, start, bytes }))
      const steps = composeSteps(ranges)
      const pieces = steps.flatMap((s) => (s.kind === 'copy' ? [s.range] : s.ranges))
      const joined: BlobRange[] = []
      for (const piece of pieces) {
        const last = joined.at(-1)
        if (last?.name === piece.name && last.start + last.bytes === piece.start)
          joined[joined.length - 1] = { ...last, bytes: last.bytes + piece.bytes }
        else joined.push(piece)
      }
      expect(joined).toEqual(ranges.filter(({ bytes }) => bytes > 0))
      expect(steps.length).toBeLessThanOrEqual(partsAtMost)
      for (const step of steps.slice(0, -1))
        expect(bytesOf(step.kind === 'copy' ? [step.range] : step.ranges)).toBeGreaterThanOrEqual(leastPartBytes)
      for (const step of steps)
        if (step.kind === 'send') expect(bytesOf(step.ranges)).toBeLessThanOrEqual(partBytesFor(bytesOf(ranges)))
    }),
    { numRuns: 60 },
  )
})
