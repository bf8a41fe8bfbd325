import { monthOf } from '../domain/day.ts'
import type { ProjectId } from '../domain/ids.ts'
import { costOf, type PriceList } from '../domain/price.ts'
import type { Spending } from '../domain/quota.ts'
import { int, text, type Queries } from './db.ts'
import { sumColumns, sumsOf } from './sums.ts'

/**
 * What batches of a project took that ended in this month of the database's clock, by model and day, and those that run by now. One statement: a batch that ends
 * meanwhile is in one of the two.
 */
export async function spendingsOf(db: Queries, prices: PriceList, projectId: ProjectId): Promise<readonly Spending[]> {
  const [now] = await db.query(`select {now} as now`)
  const { today, monthBegan } = monthOf(now ? int(now, 'now') : 0)
  const rows = await db.query(
    `select model, day, ${sumColumns.map((c) => `sum(${c}) as ${c}`).join(', ')} from (
       select model, day, ${sumColumns.join(', ')} from usage where project_id = $1 and day >= $3
       union all
       select b.model, cast($2 as bigint) as day, ${sumColumns.map((c) => `s.${c}`).join(', ')} from batches b join shards s on s.batch_id = b.id
       where b.project_id = $1 and b.status in ('in_progress', 'cancelling')
     ) taken group by model, day`,
    [projectId, today, monthBegan],
  )
  return rows.map((row) => {
    const [model, day, sums] = [JSON.parse(text(row, 'model')) as string, int(row, 'day'), sumsOf(row)]
    return {
      model,
      isToday: day === today,
      tokens: sums.totalTokens,
      cost: Number(costOf(prices, model, day, sums) ?? 0n) / 1e6,
    }
  })
}
