import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDate } from './day.ts'
import { costOf, costWire, parsePrice, priceOn, type Price, type PriceList } from './price.ts'
import { addUsage, noUsage } from './usage.ts'

const price = (model: string, from: string, input: string, more: Partial<Price> = {}): Price => ({
  model,
  from: parseDate(from) ?? 0,
  input: parsePrice(input) ?? 0n,
  cached: parsePrice(input) ?? 0n,
  output: 0n,
  minute: 0n,
  ...more,
})
const list = (...prices: Price[]): PriceList => ({ currency: 'eur', percent: 50, prices })
const on = (date: string) => parseDate(date) ?? 0

test('the latest price that held on a day, of the model before that of all', () => {
  const prices = [price('*', '2026-01-01', '9'), price('m', '2026-02-01', '2'), price('m', '2026-01-01', '1')]
  expect(priceOn(prices, 'm', on('2026-01-31'))?.input).toBe(1_000_000n)
  expect(priceOn(prices, 'm', on('2026-02-01'))?.input).toBe(2_000_000n)
  expect(priceOn(prices, 'other', on('2026-02-01'))?.input).toBe(9_000_000n)
  expect(priceOn(prices, 'm', on('2025-12-31'))).toBeNull()
})

test.for([
  ['a million tokens in', { inputTokens: 1_000_000 }, 0.075],
  ['half of them cached', { inputTokens: 1_000_000, cachedTokens: 500_000 }, 0.0375],
  ['a million out', { outputTokens: 1_000_000 }, 0.3],
  ['an hour and a half of audio', { durationMs: 5_400_000 }, 0.27],
  ['one token', { outputTokens: 1 }, 0.0000003],
] as const)('%s', ([, used, value]) => {
  const prices = list(
    price('m', '2026-01-01', '0.15', { cached: 0n, output: parsePrice('0.6') ?? 0n, minute: parsePrice('0.006') ?? 0n }),
  )
  expect(costWire(prices, costOf(prices, 'm', on('2026-05-05'), { ...noUsage, ...used }))).toEqual({ value, currency: 'eur' })
})

test('what has no price has no cost', () => {
  expect(costOf(list(), 'm', 20_000, noUsage)).toBeNull()
  expect(costOf(list(price('*', '2026-01-01', '1')), null, 30_000, noUsage)).toBeNull()
})

test('costs of parts add up to the cost of the whole', () => {
  const prices = list(price('m', '2026-01-01', '0.123456', { output: parsePrice('7.654321') ?? 0n }))
  const part = fc.record({ inputTokens: fc.nat(1e9), outputTokens: fc.nat(1e9) })
  fc.assert(
    fc.property(fc.array(part, { minLength: 1 }), (parts) => {
      const used = parts.map((p) => ({ ...noUsage, ...p }))
      const each = used.reduce((sum, u) => sum + (costOf(prices, 'm', 30_000, u) ?? 0n), 0n)
      const whole = costOf(prices, 'm', 30_000, used.reduce(addUsage)) ?? 0n
      expect(whole - each).toBeLessThanOrEqual(BigInt(parts.length)) // NOTE: half a price may leave half a millionth of a millionth over
      expect(whole - each).toBeGreaterThanOrEqual(0n)
    }),
  )
})

test.for(['', '-1', '1,5', '0.1234567', '1e3', ' 1'])('%j is no price', (text) => {
  expect(parsePrice(text)).toBeNull()
})
test.for(['2026-02-30', '2026-1-1', '26-01-01', '2026-13-01', 'today'])('%j is no date', (text) => {
  expect(parseDate(text)).toBeNull()
})
