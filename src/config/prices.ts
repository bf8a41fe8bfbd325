import { dayOf, parseDate } from '../domain/day.ts'
import { parsePrice, type Price, type PriceList } from '../domain/price.ts'
import { SettingsError } from './error.ts'
import { onlyKnown } from './known.ts'
import type { Values } from './options.ts'

const priceKeys = ['model', 'from', 'input', 'cached', 'output', 'minute']

export const priceList = ({
  currency,
  batchPercent,
  prices,
}: Pick<Values, 'currency' | 'batchPercent'> & { readonly prices: readonly Price[] }): PriceList => ({
  currency: currency.toLowerCase(),
  percent: batchPercent,
  prices,
})

/** One row of the price list. What is not said costs nothing, but for `cached`, which then costs what `input` does. */
export function parsePriceEntry(entry: Record<string, unknown>, where: string): Price {
  onlyKnown(entry, priceKeys, `${where}: a price`)
  const { model, from = '1970-01-01', input = '0', cached = input, output = '0', minute = '0' } = entry
  if (typeof model !== 'string' || model === '') throw new SettingsError(`${where}: a price needs a model, or '*' for all others`)
  const amount = (value: unknown, name: string): bigint => {
    const parsed = typeof value === 'string' || typeof value === 'number' ? parsePrice(String(value)) : null
    if (parsed === null)
      throw new SettingsError(`${where}: ${name} of ${model} must be an amount of at most six decimals, such as 0.15`)
    return parsed
  }
  return {
    model,
    from: dayIn(from, `${where}: from of ${model}`),
    input: amount(input, 'input'),
    cached: amount(cached, 'cached'),
    output: amount(output, 'output'),
    minute: amount(minute, 'minute'),
  }
}

function dayIn(value: unknown, where: string): number {
  const day = value instanceof Date ? dayOf(value.getTime()) : typeof value === 'string' ? parseDate(value) : null
  if (day === null) throw new SettingsError(`${where} must be a date such as 2026-11-01`)
  return day
}
