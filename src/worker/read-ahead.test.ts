import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Blobs } from '../blobs/blobs.ts'
import type { Part } from '../store/segments.ts'
import { readAhead } from './read-ahead.ts'

const MiB = 1024 * 1024
const bytesOf = (name: string, length: number): Buffer => Buffer.alloc(length, `${name}.`)

/** Blobs that answer in any order, and how many were asked at once. */
function slowly(pause: () => Promise<void>) {
  let [asked, most] = [0, 0]
  const readRange: Blobs['readRange'] = async ({ name, start, bytes }, _, into) => {
    most = Math.max(most, ++asked)
    await pause()
    asked--
    if (name === 'gone') throw new Error('it is gone')
    const buffer = into?.subarray(0, bytes) ?? Buffer.alloc(bytes)
    bytesOf(name, start + bytes).copy(buffer, 0, start)
    return buffer
  }
  return { blobs: { readRange } as Blobs, most: () => most }
}

test('stretches come in their order, whichever was read first, and in memory that is used again', async () => {
  const part = fc.record({
    place: fc.oneof(fc.stringMatching(/^[a-z]{1,3}$/), fc.uint8Array({ maxLength: 50 }).map(Buffer.from)),
    start: fc.nat(20),
    bytes: fc.oneof(fc.nat(100), fc.integer({ min: MiB - 1, max: MiB + 1 }), fc.constant(3 * MiB)),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 20 }), fc.infiniteStream(fc.nat(3)), async (given, pauses) => {
      const parts = given.map((one): Part =>
        typeof one.place === 'string' ? one : { ...one, bytes: one.place.length - one.start },
      )
      const some = parts.filter(({ bytes }) => bytes >= 0)
      const pause = () => new Promise<void>((resolve) => setTimeout(resolve, pauses.next().value))
      const { blobs, most } = slowly(pause)
      const read: Buffer[] = []
      for await (const piece of readAhead(blobs, some)) read.push(Buffer.from(piece))
      const expected = some.map(({ place, start, bytes }) =>
        (typeof place === 'string' ? bytesOf(place, start + bytes) : place).subarray(start, start + bytes),
      )
      expect(Buffer.concat(read).equals(Buffer.concat(expected))).toBe(true)
      expect(most()).toBeLessThanOrEqual(6)
    }),
    { numRuns: 40 },
  )
})

test('many small stretches are read a few at a time, and none is read on when one of them is gone', async () => {
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 2))
  const { blobs, most } = slowly(pause)
  const small = Array.from({ length: 30 }, (_, i): Part => ({ place: i === 20 ? 'gone' : `s${i}`, start: 0, bytes: 100 }))
  let pieces = 0
  const reading = async () => {
    for await (const piece of readAhead(blobs, small)) pieces += piece.length / 100
  }
  await expect(reading()).rejects.toThrow('it is gone')
  expect(pieces).toBe(20)
  expect(most()).toBe(6)
})
