import fc from 'fast-check'
import { expect, test } from 'vitest'
import { named, scriptedFeed } from '../../test/support/scripted-feed.ts'
import type { Feed } from './feed.ts'
import { makeOrder } from './order.ts'

const feed = (batchId: string, lines: number, deadlineAt: number, atRisk = false) =>
  scriptedFeed(named('x', lines), { batchId, deadlineAt, atRisk })
const turns = (order: { next(): Feed | undefined }, n: number) =>
  Array.from({ length: n }, () => order.next()?.batchId ?? '-').join('')

test('the one with the earliest deadline and the smallest take turns', () => {
  const order = makeOrder()
  for (const one of [feed('a', 1000, 5), feed('b', 100, 9), feed('c', 10, 20), feed('d', 500, 7)]) order.add(one)
  expect(turns(order, 6)).toBe('cacaca')
})

test('of equal ones the one that came first', () => {
  const order = makeOrder()
  for (const one of [feed('b', 10, 5), feed('a', 10, 5)]) order.add(one)
  expect(turns(order, 4)).toBe('aaaa')
})

test('while one is at risk all go by their deadlines', () => {
  const order = makeOrder()
  const small = feed('s', 1, 50)
  const late = feed('l', 1000, 5, true)
  order.add(small)
  order.add(late)
  expect(turns(order, 4)).toBe('llll')
  late.atRisk = false
  order.add(late)
  expect(turns(order, 4)).toBe('slsl')
  late.atRisk = true
  order.add(late)
  order.remove(late)
  expect(turns(order, 2)).toBe('ss')
})

test('whatever comes and goes, the soonest and the smallest of those that are there are next', () =>
  fc.assert(
    fc.property(
      fc.array(fc.record({ lines: fc.integer({ min: 1, max: 5 }), deadlineAt: fc.nat(5), leaves: fc.nat(20) }), {
        maxLength: 20,
      }),
      (all) => {
        const order = makeOrder()
        const there: Feed[] = []
        for (const [i, { lines, deadlineAt, leaves }] of all.entries()) {
          const one = feed(String.fromCharCode(97 + i), lines, deadlineAt)
          order.add(one)
          order.add(one)
          there.push(one)
          const gone = there[leaves]
          if (gone) {
            order.remove(gone)
            order.remove(gone)
            there.splice(leaves, 1)
          }
          expect(order.size).toBe(there.length)
          const least = (of: (f: Feed) => number) => Math.min(...there.map(of))
          const [one1, one2] = [order.next(), order.next()]
          if (there.length === 0) expect([one1, one2]).toEqual([undefined, undefined])
          else {
            const seen = [one1, one2].map((f) => [f!.lines, f!.deadlineAt])
            expect(seen.some(([n]) => n === least((f) => f.lines))).toBe(true)
            expect(seen.some(([, at]) => at === least((f) => f.deadlineAt))).toBe(true)
          }
        }
      },
    ),
  ))
