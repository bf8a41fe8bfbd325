import { learnedFactor } from '../domain/estimate.ts'
import type { BatchId, ProjectId } from '../domain/ids.ts'
import { overEnqueued, overSpent, type Enqueued, type Quota } from '../domain/quota.ts'
import type { ShardSpan } from '../domain/shard.ts'
import { int, text, type Queries } from './db.ts'
import { experienceOf, holdQuotas, quotasOf, runningOf, spentTokens } from './quotas.ts'
import { parameters, rowsOfValues } from './values.ts'

export interface Plan {
  /** null: the plan is short, and each shard has its part of it in its row. */
  readonly blob: string | null
  readonly bytes: number
  readonly lines: number
  /** As far as can be told before its lines have run. */
  readonly tokens: number
  readonly model: string
  /** Of the object that was planned. */
  readonly inputTag?: string | null
  readonly shards: readonly PlannedShard[]
}
export interface PlannedShard extends ShardSpan {
  /** As base64. */
  readonly body?: string
}

export interface Start {
  readonly id: BatchId
  readonly fence: number
  readonly plan: Plan
}

const shardsAtOnce = 100

/** `lost`: its fence is old, or it no longer waits for a plan (a cancel came first). A quota: it would go beyond that, and nothing of it has changed. */
export type Started = 'started' | 'lost' | Quota

/** One commit starts batches: their shards and their status, and what they take of what their projects may have enqueued. */
export async function startBatches(tx: Queries, starts: readonly Start[]): Promise<Started[]> {
  const enqueued = await enqueue(tx, starts)
  const going = starts.filter(({ id }) => typeof enqueued.get(id) === 'number')
  const started = await begin(tx, going, enqueued as ReadonlyMap<BatchId, number>)
  return starts.map(({ id, fence }) => {
    const took = enqueued.get(id)
    return typeof took === 'object' ? took : started.has(`${id}/${fence}`) ? 'started' : 'lost'
  })
}

/** The tokens that each batch is taken for from now on, or the quota that it would go beyond. Only where there is a quota what others have enqueued is looked at, under a lock. */
async function enqueue(tx: Queries, starts: readonly Start[]): Promise<Map<BatchId, number | Quota>> {
  const took = new Map<BatchId, number | Quota>(starts.map(({ id, plan }) => [id, plan.tokens]))
  const bounded = await tx.query(
    `select id, project_id from batches where id in (${parameters(starts.length)}) and status = 'validating'
     and project_id in (select project_id from quotas where kind in ('enqueued_tokens', 'tokens_day', 'tokens_month'))`,
    starts.map(({ id }) => id),
  )
  const projects = [...new Set(bounded.map((row) => text(row, 'project_id') as ProjectId))].toSorted()
  await holdQuotas(tx, projects)
  for (const projectId of projects) {
    const quotas = await quotasOf(tx, [projectId])
    const open: Enqueued[] = [...(await runningOf(tx, projectId))]
    const spent = await spentTokens(tx, projectId)
    for (const { id, plan } of starts.filter((s) => bounded.some((row) => row.id === s.id && row.project_id === projectId))) {
      const factor = learnedFactor(await experienceOf(tx, projectId, plan.model))
      const next = { model: plan.model, tokens: Math.ceil(plan.tokens * factor) }
      const over = overEnqueued(quotas, open, next) ?? overSpent(quotas, spent, [...open, next])
      took.set(id, over ?? next.tokens)
      if (!over) open.push(next)
    }
  }
  return took
}

async function begin(
  tx: Queries,
  starts: readonly Start[],
  enqueued: ReadonlyMap<BatchId, number>,
): Promise<ReadonlySet<string>> {
  if (starts.length === 0) return new Set()
  const rows = await tx.query(
    `update batches set status = 'in_progress', model = v.column3, total = v.column4, plan_blob = v.column5, plan_bytes = v.column6, input_tag = v.column7, estimated_tokens = v.column8, enqueued_tokens = v.column9,
       in_progress_at = case when created_at > {now} then created_at else {now} end,
       owner = null, lease_until = 0, retry_at = 0, trouble = null, trouble_since = null
     from (values ${rowsOfValues(starts.length, 9, [1, 3, 5, 7, 8])}) v
     where id = v.column1 and fence = v.column2 and status = 'validating' returning id, fence`,
    starts.flatMap(({ id, fence, plan }) => [
      id,
      fence,
      JSON.stringify(plan.model),
      plan.lines,
      plan.blob,
      plan.bytes,
      plan.inputTag ?? null,
      plan.tokens,
      enqueued.get(id) ?? 0,
    ]),
  )
  const started = new Set(rows.map((row) => `${text(row, 'id')}/${int(row, 'fence')}`))
  const hasStarted = ({ id, fence }: Start) => started.has(`${id}/${fence}`)
  const shards = starts
    .filter(hasStarted)
    .flatMap(({ id, plan }) => plan.shards.map((s) => [id, s.number, s.offset, s.bytes, s.lines, s.body ?? null, 'waiting']))
  for (let i = 0; i < shards.length; i += shardsAtOnce) {
    const some = shards.slice(i, i + shardsAtOnce)
    await tx.query(
      `insert into shards (batch_id, number, start, bytes, lines, body, state) values ${rowsOfValues(some.length, 7)}`,
      some.flat(),
    )
  }
  return started
}
