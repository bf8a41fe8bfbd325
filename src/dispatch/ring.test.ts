import { expect, test } from 'vitest'
import { makeRing } from './ring.ts'

const turns = (ring: { next(): string | undefined }, n: number) => Array.from({ length: n }, () => ring.next()).join('')

test('each has its turn, who comes twice is in it once', () => {
  const ring = makeRing<string>()
  for (const name of ['a', 'b', 'a', 'c']) ring.add(name)
  expect(turns(ring, 7)).toBe('abcabca')
})

test('nobody loses a turn when another leaves', () => {
  const ring = makeRing<string>()
  for (const name of ['a', 'b', 'c', 'd']) ring.add(name)
  expect(turns(ring, 2)).toBe('ab')
  ring.remove('a')
  expect(turns(ring, 3)).toBe('cdb')
  ring.remove('d')
  expect(turns(ring, 3)).toBe('cbc')
})

test('an empty ring has no next', () => {
  const ring = makeRing<string>()
  ring.add('a')
  ring.remove('a')
  expect(ring.next()).toBeUndefined()
})
