import fc from 'fast-check'
import { expect, test } from 'vitest'
import { settle, shareOut, type SlotClaim } from './slots.ts'

const claims = fc
  .array(fc.record({ granted: fc.nat(20), wanted: fc.nat(100) }), { maxLength: 12 })
  .map((list) => list.map((c, i): SlotClaim => ({ ...c, owner: `w${i}` })))
const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0)

test('nothing is left over while somebody wants more, nobody gets more than it wants, and parts are equal but for one', () => {
  fc.assert(
    fc.property(fc.nat(200), claims, (ceiling, list) => {
      const shares = shareOut(ceiling, list)
      const wants = sum(list.map((c) => c.wanted))
      expect(sum(shares.values())).toBe(Math.min(ceiling, wants))
      for (const c of list) expect(shares.get(c.owner)).toBeLessThanOrEqual(c.wanted)
      const unmet = list.filter((c) => (shares.get(c.owner) ?? 0) < c.wanted).map((c) => shares.get(c.owner) ?? 0)
      for (const c of list) for (const part of unmet) expect(shares.get(c.owner)).toBeLessThanOrEqual(part + 1)
    }),
  )
})

test.each([
  ['one alone has all', 64, [[0, 64]], [64]],
  ['one that needs little leaves the rest', 64, [[32, 64], [32, 4]], [60, 4]], // prettier-ignore
  ['a ceiling of one stays where it is', 1, [[0, 9], [0, 9], [1, 9], [0, 9]], [0, 0, 1, 0]], // prettier-ignore
  ['who wants nothing keeps nothing', 8, [[8, 0], [0, 3]], [0, 3]], // prettier-ignore
] as const)('%s', (_, ceiling, list, shares) => {
  const all = list.map(([granted, wanted], i) => ({ owner: `w${i}`, granted, wanted }))
  expect(all.map(({ owner }) => shareOut(ceiling, all).get(owner))).toEqual(shares)
})

test('a claim that lapsed over open calls has no room for more while others have taken it', () => {
  const others = [{ owner: 'b', granted: 1, wanted: 1 }]
  expect(settle(1, { owner: 'a', cap: 0, inFlight: 1, wanted: 1 }, others)).toEqual({ granted: 1, cap: 0 })
})

test('who has a slot and lines for it keeps one: nobody holds shards without', () => {
  fc.assert(
    fc.property(fc.nat(20), claims, (more, list) => {
      const shares = shareOut(sum(list.map((c) => c.granted)) + more, list)
      for (const { owner, granted, wanted } of list)
        if (granted > 0 && wanted > 0) expect(shares.get(owner)).toBeGreaterThanOrEqual(1)
    }),
  )
})

interface Worker {
  cap: number
  granted: number
  wanted: number
  inFlight: number
}

/** Workers that settle, send and hear in any order; each sends up to its cap whenever it may. */
const moves = fc.array(
  fc.record({
    who: fc.nat(5),
    what: fc.constantFrom('settle', 'settle', 'send', 'land', 'want') as fc.Arbitrary<'settle' | 'send' | 'land' | 'want'>,
    n: fc.nat(40),
  }),
  { minLength: 1, maxLength: 300 },
)

test('in any order of settling, sending and landing the calls of all never pass the ceiling, and in the end everybody has a fair part', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), moves, (ceiling, list) => {
      const workers = new Map(Array.from({ length: 6 }, (_, i): [string, Worker] => [`w${i}`, { cap: 0, granted: 0, wanted: 0, inFlight: 0 }])) // prettier-ignore
      const settleOne = (owner: string, w: Worker) => {
        const others = [...workers]
          .filter(([o]) => o !== owner)
          .map(([o, x]) => ({ owner: o, granted: x.granted, wanted: x.wanted }))
        Object.assign(w, settle(ceiling, { owner, ...w }, others))
      }
      for (const { who, what, n } of list) {
        const owner = `w${who}`
        const w = workers.get(owner)
        if (!w) continue
        if (what === 'settle') settleOne(owner, w)
        else if (what === 'want') w.wanted = n
        else if (what === 'land') w.inFlight = Math.max(0, w.inFlight - n)
        else w.inFlight = Math.max(w.inFlight, Math.min(w.cap, w.inFlight + n))
        expect(sum([...workers.values()].map((x) => x.inFlight))).toBeLessThanOrEqual(ceiling)
        expect(sum([...workers.values()].map((x) => x.granted))).toBeLessThanOrEqual(ceiling)
      }
      for (let round = 0; round < 12; round++)
        for (const [owner, w] of workers) {
          w.inFlight = Math.min(w.inFlight, w.cap)
          settleOne(owner, w)
        }
      const shares = shareOut(
        ceiling,
        [...workers].map(([owner, w]) => ({ owner, granted: w.granted, wanted: w.wanted })),
      )
      for (const [owner, w] of workers) expect([w.granted, w.cap]).toEqual([shares.get(owner), shares.get(owner)])
    }),
    { numRuns: 300 },
  )
})
