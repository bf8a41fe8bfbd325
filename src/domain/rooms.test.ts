import fc from 'fast-check'
import { expect, test } from 'vitest'
import { giveLine, type Room } from './rooms.ts'

const anyRooms = fc.array(
  fc.record({
    weight: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.double({ min: 0.01, max: 10, noNaN: true })),
    free: fc.integer({ min: 1, max: 500 }),
  }),
  { minLength: 1, maxLength: 6 },
)
const fresh = (rooms: readonly Omit<Room, 'credit'>[]): Room[] => rooms.map((room) => ({ ...room, credit: 0 }))
const partOf = (rooms: readonly Omit<Room, 'credit'>[], i: number) =>
  (rooms[i]!.weight * rooms[i]!.free) / rooms.reduce((sum, { weight, free }) => sum + weight * free, 0)

test('after any number of lines each room has had its part, by weight times what is free, but for less than the number of rooms', () => {
  fc.assert(
    fc.property(anyRooms, fc.integer({ min: 1, max: 300 }), (given, lines) => {
      let rooms = fresh(given)
      const had = given.map(() => 0)
      for (let n = 0; n < lines; n++) {
        const { index, credits } = giveLine(rooms)
        had[index]!++
        rooms = rooms.map((room, i) => ({ ...room, credit: credits[i]! }))
      }
      for (const [i, count] of had.entries())
        expect(Math.abs(count - lines * partOf(given, i))).toBeLessThan(Math.max(1, given.length - 1) + 1e-6)
    }),
  )
})

test('while rooms fill and empty, credits stay small and sum to nothing: none is owed more than it could make up for in a few lines', () => {
  const moves = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 10_000 })), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(anyRooms, moves, (given, changes) => {
      let rooms = fresh(given)
      for (const [who, free] of changes) {
        rooms = rooms.map((room, i) => (i === who ? { ...room, free } : room))
        const { credits } = giveLine(rooms)
        rooms = rooms.map((room, i) => ({ ...room, credit: credits[i]! }))
        expect(credits.reduce((sum, credit) => sum + credit, 0)).toBeCloseTo(0, 6)
        for (const credit of credits) expect(Math.abs(credit)).toBeLessThanOrEqual(given.length)
      }
    }),
  )
})

test.each([
  ['alike', [1, 1], [8, 8], 'ababab'],
  ['by weight', [3, 1], [8, 8], 'aabaaaba'],
  ['by what is free', [1, 1], [1, 3], 'babbbabb'],
  ['a weight makes up for little room', [3, 1], [1, 3], 'abab'],
] as const)('%s', (_, weights, frees, order) => {
  let rooms = fresh(weights.map((weight, i) => ({ weight, free: frees[i]! })))
  const given = [...order].map(() => {
    const { index, credits } = giveLine(rooms)
    rooms = rooms.map((room, i) => ({ ...room, credit: credits[i]! }))
    return 'ab'[index]
  })
  expect(given.join('')).toBe(order)
})
