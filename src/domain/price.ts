import type { Day } from './day.ts'
import type { Estimate } from './estimate.ts'
import { noUsage, type Usage } from './usage.ts'

/** What a model costs from a day on, in millionths of a unit of the currency. */
export interface Price {
  /** `*`: every model that has none of its own. */
  readonly model: string
  readonly from: Day
  /** A million tokens. */
  readonly input: bigint
  /** Of the input, what came from a cache. */
  readonly cached: bigint
  readonly output: bigint
  /** A minute of audio. */
  readonly minute: bigint
}

export interface PriceList {
  /** As it stands in answers: `eur`. */
  readonly currency: string
  /** What a batch costs of that, in percent. */
  readonly percent: number
  readonly prices: readonly Price[]
}

export interface Cost {
  readonly value: number
  readonly currency: string
}

/** The latest that held on a day; one of the model's own goes before one of all. */
export function priceOn(prices: readonly Price[], model: string, day: Day): Price | null {
  const held = (name: string) =>
    prices.filter((p) => p.model === name && p.from <= day).reduce<Price | null>((a, b) => (a && a.from > b.from ? a : b), null)
  return held(model) ?? held('*')
}

/** Millionths of millionths are summed as whole numbers: nothing is lost however much is added up. null: there is no price for it. */
export function costOf(list: PriceList, model: string | null, day: Day, used: Usage): bigint | null {
  const price = model === null ? null : priceOn(list.prices, model, day)
  if (!price) return null
  const fresh = BigInt(Math.max(0, used.inputTokens - used.cachedTokens))
  const tokens = fresh * price.input + BigInt(used.cachedTokens) * price.cached + BigInt(used.outputTokens) * price.output
  return ((tokens + (BigInt(used.durationMs) * price.minute * 1000n) / 60n) * BigInt(list.percent)) / 100n
}

/** Of tokens that have not been used yet. */
export const costOfEstimate = (list: PriceList, model: string, day: Day, { input, output }: Estimate): bigint | null =>
  costOf(list, model, day, { ...noUsage, inputTokens: input, outputTokens: output, totalTokens: input + output })

/** The same in whole millionths of a unit; 0: there is no price for them. */
export const estimatedCost = (list: PriceList, model: string, day: Day, estimate: Estimate): number =>
  Number(((costOfEstimate(list, model, day, estimate) ?? 0n) + 999_999n) / 1_000_000n)

/** To a billionth of a unit. */
export const costWire = (list: PriceList, cost: bigint | null): Cost | null =>
  cost === null ? null : { value: Number(cost / 1000n) / 1e9, currency: list.currency }

/** `0.15` -> 150000n; null: not a price. */
export function parsePrice(text: string): bigint | null {
  const [, whole, part = ''] = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text) ?? []
  return whole === undefined ? null : BigInt(whole) * 1_000_000n + BigInt(part.padEnd(6, '0'))
}
