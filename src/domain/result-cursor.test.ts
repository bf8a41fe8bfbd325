import fc from 'fast-check'
import { expect, test } from 'vitest'
import { layOut, formatLayout, parseLayout } from './layout.ts'
import { formatCursor, openAtMost, parseCursor, start, unseen, type Cursor, type Seen } from './result-cursor.ts'

const id = '0198c0de-0000-7000-8000-0123456789ab'
const big = fc.nat({ max: 2 ** 45 })
const seenOnes = fc
  .uniqueArray(fc.nat({ max: 1_000_000 }), { maxLength: openAtMost })
  .chain((shards) =>
    fc.tuple(...shards.toSorted((a, b) => a - b).map((shard) => fc.oneof(fc.constant(unseen(shard)), seenOne(shard)))),
  )
const seenOne = (shard: number): fc.Arbitrary<Seen> =>
  fc
    .tuple(fc.integer({ min: 1, max: 99 }), fc.nat(), big, big, big, big)
    .map(([fence, number, output, error, outputAhead, errorAhead]) => ({ shard, fence, number, output, error, outputAhead, errorAhead })) // prettier-ignore
const anyCursor: fc.Arbitrary<Cursor> = seenOnes.map((open) => ({ kind: 'shards', next: (open.at(-1)?.shard ?? 0) + 1, open }))

test('a position comes back as it was given', () =>
  fc.assert(
    fc.property(anyCursor, (cursor) => {
      expect(parseCursor(formatCursor(cursor, id), id)).toEqual(cursor)
    }),
  ))

test('a position is short however many shards there are: it can stand in an address and in a header', () => {
  const far = { fence: 12, number: 900, output: 2 ** 26, error: 2 ** 22, outputAhead: 0, errorAhead: 0 }
  const open = Array.from({ length: openAtMost }, (_, i) => ({ ...far, shard: 9000 + i * 3 }))
  expect(formatCursor({ kind: 'shards', next: 10_000, open }, id).length).toBeLessThan(3000)
})

test.each(['', 'x', 'not a position', 'AAAAAAAAAAAA', '____________', `${formatCursor(start('shards'), id)}=`])(
  'what is none of ours is refused: %j',
  (text) => expect(parseCursor(text, id)).toBeNull(),
)

test('whatever is given for a position, it is refused or is one', () =>
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 60 }), (bytes) => {
      const mark = Buffer.from(id.replaceAll('-', '').slice(-8), 'hex')
      const cursor = parseCursor(Buffer.from([0, ...mark, ...bytes]).toString('base64url'), id)
      if (cursor) for (const { shard } of cursor.open) expect(shard).toBeLessThan(cursor.next)
    }),
  ))

test('the position of another batch is none here', () =>
  expect(parseCursor(formatCursor(start('shards'), id), '0198c0de-0000-7000-8000-0123456789ac')).toBeNull())

test('a layout comes back as it was written, and lays the shards one behind the other, and then the rest', () => {
  const sizes = [{ output: 5, error: 0 }, { output: 0, error: 7 }, { output: 0, error: 0 }, { output: 2, error: 1 }] // prettier-ignore
  expect(formatLayout(sizes)).toBe('5,0+7,0,2+1')
  expect(parseLayout(formatLayout(sizes))).toEqual(sizes)
  expect(parseLayout(formatLayout([]))).toEqual([])
  expect(() => parseLayout('1,,2')).toThrow('not the layout')
  expect(
    layOut(sizes, { output: 7, error: 20 }).map((one) => [one.output.start, one.output.bytes, one.error.start, one.error.bytes]),
  ).toEqual(
    [[0, 5, 0, 0], [5, 0, 0, 7], [5, 0, 7, 0], [5, 2, 7, 1], [7, 0, 8, 12]], // prettier-ignore
  )
})
