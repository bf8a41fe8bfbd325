import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeDue, type Timed } from './due.ts'

interface Named extends Timed {
  readonly name: number
}
const timed = (name: number): Named => ({ name, dueAt: 0, dueIndex: -1 })

test('what was not removed comes out once, soonest first', () =>
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.boolean()), { maxLength: 60 }), (all) => {
      const due = makeDue<Named>()
      const members = all.map(([dueAt], name) => {
        const one = timed(name)
        due.add(one, dueAt)
        return one
      })
      members.filter((_, i) => all[i]![1]).forEach((one) => due.remove(one))
      const out: number[] = []
      for (let one = due.take(Infinity); one; one = due.take(Infinity)) out.push(one.dueAt)
      expect(out).toEqual(
        all
          .filter(([, removed]) => !removed)
          .map(([dueAt]) => dueAt)
          .toSorted((a, b) => a - b),
      )
      expect(due.nextAt).toBe(Infinity)
    }),
  ))

test('nothing comes out before its time', () => {
  const due = makeDue<Named>()
  due.add(timed(1), 10)
  expect(due.nextAt).toBe(10)
  expect(due.take(9)).toBeUndefined()
  expect(due.take(10)?.name).toBe(1)
})
