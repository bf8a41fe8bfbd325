import { expect, test } from 'vitest'
import { dryRunWire } from './dry-run.ts'
import type { Price } from './price.ts'

const price: Price = { model: 'spoken', from: 0, input: 1_000_000n, cached: 0n, output: 0n, minute: 0n }
const perMinute: Price = { ...price, minute: 6000n }
const tokens = { input: 1_000_000, output: 0 }
const costOfRun = (endpoint: string, held: Price) =>
  dryRunWire(
    { kind: 'good', endpoint, lines: 1, bytes: 4, model: 'spoken', tokens },
    {
      experience: { estimated: 0, used: 0 },
      msPerToken: null,
      prices: { currency: 'eur', percent: 100, prices: [held] },
      today: 20_000,
    },
  ).estimated_cost

test('what audio costs by the minute is not known before it has run', () => {
  expect(costOfRun('/v1/audio/transcriptions', perMinute)).toBeNull()
  expect(costOfRun('/v1/audio/transcriptions', price), 'priced by its tokens').toEqual({ value: 1, currency: 'eur' })
  expect(costOfRun('/v1/chat/completions', perMinute)).toEqual({ value: 1, currency: 'eur' })
})
