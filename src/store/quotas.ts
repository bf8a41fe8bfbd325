import { stillEnqueued, type Experience } from '../domain/estimate.ts'
import type { ProjectId } from '../domain/ids.ts'
import { isQuotaKind, type Enqueued, type Quota } from '../domain/quota.ts'
import type { Sums } from '../domain/usage.ts'
import { int, text, type Queries, type Row } from './db.ts'
import { sumColumns, sumsOf } from './sums.ts'
import { parameters } from './values.ts'

/** Until the transaction ends nobody else takes what the quotas of these projects bound. In one order everywhere. */
export async function holdQuotas(tx: Queries, projects: readonly ProjectId[]): Promise<void> {
  const locks = [...new Set(projects)].toSorted().map((id) => `quota ${id}`)
  if (locks.length > 0) await tx.query(`select ${locks.map((_, i) => `{lock $${i + 1}} as held${i}`).join(', ')}`, locks)
}

export async function quotasOf(db: Queries, projects: readonly ProjectId[]): Promise<Quota[]> {
  const asked = [...new Set(projects)]
  if (asked.length === 0) return []
  const rows = await db.query(
    `select * from quotas where project_id in (${parameters(asked.length)}) order by kind, model`,
    asked,
  )
  return rows.flatMap(quotaOf)
}

/** Of each of the projects, in their order. */
export async function quotasOfEach(db: Queries, projects: readonly ProjectId[]): Promise<Quota[][]> {
  const found = await quotasOf(db, projects)
  return projects.map((id) => found.filter(({ projectId }) => projectId === id))
}

/** In the place of one of the same kind and model. */
export async function putQuota(db: Queries, { projectId, kind, model, amount }: Quota): Promise<void> {
  await db.query(
    `insert into quotas (project_id, kind, model, amount) values ($1, $2, $3, $4)
     on conflict (project_id, kind, model) do update set amount = excluded.amount`,
    [projectId, kind, model === null ? '' : JSON.stringify(model), amount],
  )
}

/** False: there was none. */
export async function deleteQuota(db: Queries, { projectId, kind, model }: Omit<Quota, 'amount'>): Promise<boolean> {
  const rows = await db.query(`delete from quotas where project_id = $1 and kind = $2 and model = $3 returning kind`, [
    projectId,
    kind,
    model === null ? '' : JSON.stringify(model),
  ])
  return rows.length > 0
}

/** One that a newer program has set says nothing to this one. */
function quotaOf(row: Row): Quota[] {
  const kind = text(row, 'kind')
  const model = text(row, 'model')
  if (!isQuotaKind(kind)) return []
  return [
    {
      projectId: text(row, 'project_id') as ProjectId,
      kind,
      model: model === '' ? null : (JSON.parse(model) as string),
      amount: int(row, 'amount'),
    },
  ]
}

/** How many batches of each of the projects have not ended. */
export async function countOpen(db: Queries, projects: readonly ProjectId[]): Promise<Map<ProjectId, number>> {
  if (projects.length === 0) return new Map()
  const rows = await db.query(
    `select project_id, count(*) as open from batches
     where status in ('validating', 'in_progress', 'cancelling') and project_id in (${parameters(projects.length)}) group by project_id`,
    projects,
  )
  return new Map(rows.map((row) => [text(row, 'project_id') as ProjectId, int(row, 'open')]))
}

export interface Running extends Enqueued {
  readonly sums: Sums
}

/** What lines of a project's batches have still to take, and have taken since their batches began: made of the rows of batches and shards alone. */
export async function runningOf(db: Queries, projectId: ProjectId): Promise<readonly Running[]> {
  const rows = await db.query(
    `select b.model, b.status, b.enqueued_tokens, b.enqueued_cost, b.total, ${sumColumns.map((c) => `coalesce(s.${c}, 0) as ${c}`).join(', ')}
     from batches b left join (select batch_id, ${sumColumns.map((c) => `sum(${c}) as ${c}`).join(', ')} from shards where batch_id in
       (select id from batches where project_id = $1 and status in ('in_progress', 'cancelling')) group by batch_id) s on s.batch_id = b.id
     where b.project_id = $1 and b.status in ('in_progress', 'cancelling')`,
    [projectId],
  )
  const still = (row: Row, column: string) =>
    row.status === 'cancelling'
      ? 0
      : stillEnqueued(int(row, column), int(row, 'total'), int(row, 'completed') + int(row, 'failed'))
  return rows.map((row) => ({
    model: JSON.parse(text(row, 'model')) as string,
    tokens: still(row, 'enqueued_tokens'),
    cost: still(row, 'enqueued_cost'),
    sums: sumsOf(row),
  }))
}

/** Bytes of the files that a project has. */
export async function storedBytes(db: Queries, projectId: ProjectId): Promise<number> {
  const [row] = await db.query(
    `select coalesce(sum(bytes), 0) as bytes from files where project_id = $1 and (expires_at is null or expires_at > {now})`,
    [projectId],
  )
  return row ? int(row, 'bytes') : 0
}

/** What batches of a project and model were estimated at in the last month, and took. */
export async function experienceOf(db: Queries, projectId: ProjectId, model: string): Promise<Experience> {
  const [row] = await db.query(
    `select coalesce(sum(estimated_tokens), 0) as estimated, coalesce(sum(total_tokens), 0) as used from usage
     where project_id = $1 and model = $2 and day >= {now} / 86400000 - 30 and estimated_tokens > 0`,
    [projectId, JSON.stringify(model)],
  )
  return row ? { estimated: int(row, 'estimated'), used: int(row, 'used') } : { estimated: 0, used: 0 }
}
