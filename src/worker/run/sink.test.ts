import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeSink } from './sink.ts'
import { makeSlabs } from './slabs.ts'

const piece = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.uint8Array({ maxLength: 2000 }),
  fc.integer({ min: 50_000, max: 300_000 }).map((length) => new Uint8Array(length).fill(length)),
)
const bytesOf = (given: string | Uint8Array) => Buffer.from(given as string)

test('what goes into a sink comes out in order, as often as it is emptied, also when memory is used again that others are done with', () => {
  fc.assert(
    fc.property(fc.array(fc.array(piece, { maxLength: 8 }), { maxLength: 6 }), fc.nat(3), (rounds, behind) => {
      const slabs = makeSlabs(1e6)
      const sink = makeSink(slabs)
      const open: { taken: ReturnType<typeof sink.take>; expected: Buffer }[] = []
      const close = (most: number) => {
        for (const { taken, expected } of open.splice(0, open.length - most)) {
          expect(Buffer.concat(taken.pieces).equals(expected)).toBe(true)
          for (const slab of taken.spent) slab.fill(0xff)
          slabs.give(taken.spent)
        }
      }
      for (const [i, pieces] of rounds.entries()) {
        for (const p of pieces)
          if (typeof p === 'string') sink.text(p)
          else sink.copy(p)
        const expected = Buffer.concat(pieces.map(bytesOf))
        expect(sink.bytes).toBe(expected.length)
        open.push({ taken: i < rounds.length - 1 ? sink.take() : sink.takeLast(), expected })
        expect(sink.bytes).toBe(0)
        if (open.length > behind) close(behind)
      }
      close(0)
    }),
    { numRuns: 60 },
  )
})

test('a sink that was emptied for the last time keeps no memory, and the next one has it', () => {
  const slabs = makeSlabs(1e6)
  const fill = () => {
    const sink = makeSink(slabs)
    for (let i = 0; i < 40; i++) sink.copy(new Uint8Array(20_000))
    const { spent } = sink.takeLast()
    slabs.give(spent)
    return new Set(spent.map(({ buffer }) => buffer))
  }
  const first = fill()
  expect(first.size).toBe(4)
  expect(fill()).toEqual(first)
})

test('no more memory is kept than was asked for', () => {
  const slabs = makeSlabs(600_000)
  const taken = [slabs.take(), slabs.take(), slabs.take()]
  slabs.give([...taken, Buffer.alloc(10)])
  const again = [slabs.take(), slabs.take(), slabs.take()]
  expect(again.filter((slab) => taken.includes(slab))).toHaveLength(2)
})
