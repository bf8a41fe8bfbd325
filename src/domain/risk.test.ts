import { expect, test } from 'vitest'
import { batchesAtRisk, nextLookMs, withLook, type Look, type Running } from './risk.ts'

const batch = (id: string, leftMs: number, work: number, atRisk = false): Running => ({ id, leftMs, work, atRisk })
/** So much work done in so many minutes. */
const pace = (done: number, minutes: number): Look[] => [
  { at: 0, done: 500 },
  { at: minutes * 60_000, done: 500 + done },
]
const risky = (batches: readonly Running[], looks: readonly Look[]) => [...batchesAtRisk(batches, looks)].toSorted().join('')
const hour = 3_600_000

test('a batch whose work takes longer than its time is at risk; what others have to do after it does not count', () => {
  const looks = pace(100, 10)
  expect(risky([batch('a', hour, 599)], looks)).toBe('')
  expect(risky([batch('a', hour, 601)], looks)).toBe('a')
  expect(risky([batch('a', hour, 500), batch('b', 2 * hour, 500)], looks)).toBe('')
  expect(risky([batch('b', 2 * hour, 800), batch('a', hour, 500)], looks)).toBe('b')
})

test('who is at risk is so until a fifth of the time would be to spare', () => {
  const looks = pace(100, 10)
  expect(risky([batch('a', hour, 590, true)], looks)).toBe('a')
  expect(risky([batch('a', hour, 479, true)], looks)).toBe('')
})

test('nothing done is no pace; while none is known a batch stays as it is', () => {
  expect(risky([batch('a', hour, 1)], pace(0, 10))).toBe('a')
  expect(risky([batch('a', hour, 0)], pace(0, 10))).toBe('')
  expect(risky([batch('a', hour, 1e9), batch('b', hour, 1, true)], pace(0, 5))).toBe('b')
  expect(risky([batch('a', hour, 1), batch('b', 2 * hour, 1)], pace(0, 6)), 'a tenth of its time is enough').toBe('a')
  expect(risky([batch('a', hour, 1), batch('b', hour, 1, true)], [])).toBe('b')
})

test('looks go back as far as a pace is told from, and no further; a ledger that was cut begins anew', () => {
  let looks: readonly Look[] = []
  for (let at = 0; at <= 3_000_000; at += 10_000) looks = withLook(looks, { at, done: at })
  expect(looks[0]?.at).toBe(2_400_000)
  expect(looks.length).toBe(61)
  expect(withLook(looks, { at: 3_010_000, done: 10 })).toEqual([{ at: 3_010_000, done: 10 }])
})

test('it is looked at oftener the less time there is', () => {
  expect([[], [hour], [100_000], [5]].map((lefts) => nextLookMs(lefts.map((ms) => batch('a', ms, 1))))).toEqual([
    10_000, 10_000, 5_000, 1_000,
  ])
})
