import { dayOf, monthOf } from '../domain/day.ts'
import type { ProjectId } from '../domain/ids.ts'
import { costOf, type PriceList } from '../domain/price.ts'
import type { Spent } from '../domain/quota.ts'
import { int, type Queries } from './db.ts'
import { runningOf } from './quotas.ts'
import { usageBetween } from './usage.ts'

/** In millionths of the currency, by the prices of each day: what batches have cost that ended on this day and in this month of the database's clock, and those that run by now. */
export async function spentCost(db: Queries, prices: PriceList, projectId: ProjectId): Promise<Spent> {
  const [row] = await db.query(`select {now} as now`)
  const now = row ? int(row, 'now') : 0
  const { today, monthBegan } = monthOf(now)
  const running = await runningOf(db, projectId) // NOTE: before what has ended: a batch that ends between the two counts twice, not never
  const rows = await usageBetween(db, projectId, [monthBegan, today])
  const costs = [
    ...rows.map(({ model, day, sums }) => ({ day: day ?? 0, cost: costOf(prices, model, day ?? 0, sums) ?? 0n })),
    ...running.map(({ model, sums }) => ({ day: today, cost: costOf(prices, model, dayOf(now), sums) ?? 0n })),
  ]
  const from = (first: number) => Number(costs.reduce((sum, { day, cost }) => (day >= first ? sum + cost : sum), 0n) / 1_000_000n)
  return { day: from(today), month: from(monthBegan) }
}
