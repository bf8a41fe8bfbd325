import { expect, test } from 'vitest'
import { handful, limitOf, remaining, shownTime, stepOf } from './rate.ts'

test('the limit of a key goes before that of all', () => {
  expect(limitOf('requests', { requests_per_second: 5 }, { requests_per_second: 9 })).toBe(5)
  expect(limitOf('requests', { creates_per_hour: 5 }, { requests_per_second: 9 })).toBe(9)
  expect(limitOf('uploads', {}, {})).toBeNull()
})

test('steps and handfuls are of the rate', () => {
  expect([stepOf('requests', 100), stepOf('creates', 3600), stepOf('requests', 5e6)]).toEqual([10_000, 1_000_000, 1])
  expect([handful('requests', 5), handful('requests', 1000)]).toEqual([1, 100])
  expect([handful('creates', 100), handful('creates', 2000), handful('creates', 1_000_000)]).toEqual([1, 2, 1388])
})

test('as many remain as still fit into the period', () => {
  expect([0, 10_000, 995_000, 2e6, -5].map((ahead) => remaining('requests', 100, ahead))).toEqual([100, 99, 0, 0, 100])
})

test('times as OpenAI writes them', () => {
  expect([0.2, 999, 1000, 6450, 60_000, 90_000].map(shownTime)).toEqual(['1ms', '999ms', '1s', '6.5s', '1m0s', '1m30s'])
  expect([59_950, 59_901, 3_599_700, 1_199_711].map(shownTime)).toEqual(['1m0s', '1m0s', '60m0s', '20m0s'])
})
