import type { Day } from '../domain/day.ts'
import type { ProjectId } from '../domain/ids.ts'
import type { UsageRow } from '../domain/usage-rows.ts'
import { int, text, type Queries } from './db.ts'
import { sumColumns, sumsOf } from './sums.ts'
import { parameters } from './values.ts'

const counted = ['batches', ...sumColumns]

/** Adds batches that were published in this transaction to the days on which they ended. Rows in one order, so that two who do so at once do not wait for each other in a ring. */
export async function addUsage(tx: Queries, batchIds: readonly string[]): Promise<void> {
  if (batchIds.length === 0) return
  await tx.query(
    `insert into usage (project_id, day, key_id, model, endpoint, ${counted.join(', ')}, estimated_tokens)
     select project_id, coalesce(completed_at, expired_at, cancelled_at) / 86400000, key_id, model, endpoint, count(*), ${sumColumns.map((c) => `sum(${c})`).join(', ')},
       sum(case when total = 0 then 0 else estimated_tokens / total * (completed + failed) end)
     from batches where id in (${parameters(batchIds.length)}) and model is not null
     group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
     on conflict (project_id, day, key_id, model, endpoint) do update set ${[...counted, 'estimated_tokens'].map((c) => `${c} = usage.${c} + excluded.${c}`).join(', ')}`,
    batchIds,
  )
}

/** Of a project, or (null) of all that there are; from one day to another, both included, as finely as it is kept; by day, project, key, model, endpoint. */
export async function usageBetween(
  db: Queries,
  projectId: ProjectId | null,
  [from, to]: readonly [Day, Day],
): Promise<UsageRow[]> {
  const [whose, values] = projectId === null ? ['in (select id from projects)', []] : ['= $3', [projectId]]
  const rows = await db.query(
    `select * from usage where project_id ${whose} and day >= $1 and day <= $2 order by day, project_id, key_id, model, endpoint`,
    [from, to, ...values],
  )
  return rows.map((row) => ({
    day: int(row, 'day'),
    projectId: text(row, 'project_id'),
    keyId: text(row, 'key_id'),
    model: JSON.parse(text(row, 'model')) as string,
    endpoint: text(row, 'endpoint'),
    batches: int(row, 'batches'),
    sums: sumsOf(row),
  }))
}
