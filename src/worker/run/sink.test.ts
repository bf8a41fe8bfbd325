import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeSink } from './sink.ts'

test('what goes into a sink comes out in order, as often as it is emptied', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.uint8Array({ maxLength: 2000 }),
    fc.constant(new Uint8Array(300_000).fill(7)),
  )
  fc.assert(
    fc.property(fc.array(fc.array(piece, { maxLength: 8 }), { maxLength: 4 }), (rounds) => {
      const sink = makeSink()
      const earlier: [Buffer[], Buffer][] = []
      for (const pieces of rounds) {
        for (const p of pieces)
          if (typeof p === 'string') sink.text(p)
          else sink.copy(p)
        const expected = Buffer.concat(pieces.map((p) => (typeof p === 'string' ? Buffer.from(p) : p)))
        expect(sink.bytes).toBe(expected.length)
        earlier.push([sink.take(), expected])
        expect(sink.bytes).toBe(0)
      }
      for (const [taken, expected] of earlier) expect(Buffer.concat(taken).equals(expected)).toBe(true)
    }),
    { numRuns: 50 },
  )
})
