import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeHeap, type Ranked } from './heap.ts'

interface Named extends Ranked {
  readonly name: number
}
const named = (name: number): Named => ({ name, rank: 0, heapIndex: -1 })

test('what was not removed comes out once, lowest rank first, by the rank that it was given last', () =>
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.option(fc.nat(50)), fc.boolean()), { maxLength: 60 }), (all) => {
      const heap = makeHeap<Named>()
      const members = all.map(([rank], name) => {
        const one = named(name)
        heap.put(one, rank)
        return one
      })
      for (const [i, [, moved, removed]] of all.entries()) {
        if (moved !== null) heap.put(members[i]!, moved)
        if (removed) heap.remove(members[i]!)
      }
      const out: number[] = []
      for (let one = heap.take(Infinity); one; one = heap.take(Infinity)) out.push(one.rank)
      expect(out).toEqual(
        all
          .filter(([, , removed]) => !removed)
          .map(([rank, moved]) => moved ?? rank)
          .toSorted((a, b) => a - b),
      )
      expect(heap.first).toBeUndefined()
    }),
  ))

test('nothing comes out beyond the rank that is asked for', () => {
  const heap = makeHeap<Named>()
  heap.put(named(1), 10)
  expect(heap.first?.rank).toBe(10)
  expect(heap.take(9)).toBeUndefined()
  expect(heap.take(10)?.name).toBe(1)
})
