import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isFileId, isUuid, makeFileId, makeUuids, parseBatchId } from './ids.ts'

test('uuids are version 7 and sort by the order in which they were made, whatever the clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5000, max: 3 }), { minLength: 1, maxLength: 300 }), (steps) => {
      let now = 1_763_800_000_000
      const make = makeUuids(() => now, randomBytes)
      const ids = steps.map((step) => ((now += step), make()))
      expect(ids.every((id) => isUuid(id) && id[14] === '7' && '89ab'.includes(id[19]!))).toBe(true)
      expect(ids.toSorted()).toEqual(ids)
      expect(new Set(ids).size).toBe(ids.length)
    }),
  )
})

test('ten thousand uuids of one millisecond stay in order', () => {
  const make = makeUuids(() => 1_763_800_000_000, randomBytes)
  const ids = Array.from({ length: 10_000 }, make)
  expect(ids.toSorted()).toEqual(ids)
})

test('file ids have 24 letters or digits', () => {
  expect(isFileId(makeFileId(randomBytes))).toBe(true)
  expect(['file-', 'file-abc', 'file-' + 'a'.repeat(25), 's3://b/k'].some(isFileId)).toBe(false)
})

test('a malformed batch id is the 404 of an unknown one', () => {
  expect(() => parseBatchId('batch_x')).toThrow("No batch found with id 'batch_x'.")
})
