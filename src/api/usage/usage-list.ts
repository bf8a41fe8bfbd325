import { dateOf, parseDate, type Day } from '../../domain/day.ts'
import { invalidValue } from '../../domain/errors.ts'
import { costOf, type PriceList } from '../../domain/price.ts'
import { grouped, type UsageGroup, type UsageKey, type UsageRow } from '../../domain/usage-rows.ts'
import { usageRowWire } from '../../domain/usage-wire.ts'
import type { UsageQuery } from './usage-schemas.ts'

const usualDays = 30

/** What is asked for. */
export interface UsageAsk {
  readonly days: readonly [from: Day, to: Day]
  readonly by: readonly UsageKey[]
}

/** `names`: as they stand in `group_by`; `usual`: what stands there if nothing does. @throws 400 */
export function usageAskIn(query: UsageQuery, today: Day, names: Readonly<Record<string, UsageKey>>, usual: string): UsageAsk {
  const to = dateIn('end', query.end, today)
  const from = dateIn('start', query.start, to - usualDays + 1)
  if (from > to) throw invalidValue('start', dateOf(from), [`${dateOf(to)} or before`])
  return { days: [from, to], by: keysIn(query.group_by ?? usual, names) }
}

/** `projects`: their names by their ids. */
export const usageListWire = (
  prices: PriceList,
  { days: [from, to], by }: UsageAsk,
  rows: readonly UsageRow[],
  projects: ReadonlyMap<string, string>,
) => ({
  object: 'list',
  start: dateOf(from),
  end: dateOf(to),
  data: grouped(rows, by).map((group) =>
    usageRowWire(group.row, prices, costOfGroup(prices, group), projects.get(group.row.projectId ?? '')),
  ),
})

/** A price goes by the day and the model: cost is summed over the finest rows. */
const costOfGroup = (prices: PriceList, { of }: UsageGroup): bigint | null =>
  of
    .map((one) => costOf(prices, one.model, one.day ?? 0, one.sums))
    .reduce<bigint | null>((sum, cost) => (sum === null || cost === null ? null : sum + cost), 0n)

function dateIn(name: string, text: string | undefined, otherwise: Day): Day {
  const day = text === undefined ? otherwise : parseDate(text)
  if (day === null) throw invalidValue(name, text ?? '', ['a date such as 2026-11-01'])
  return day
}

function keysIn(text: string, names: Readonly<Record<string, UsageKey>>): readonly UsageKey[] {
  const asked = text.split(',').filter((name) => name !== '')
  const unknown = asked.find((name) => !Object.hasOwn(names, name))
  if (unknown !== undefined) throw invalidValue('group_by', unknown, Object.keys(names))
  return asked.flatMap((name) => names[name] ?? [])
}
