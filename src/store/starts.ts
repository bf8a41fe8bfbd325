import { learnedFactor } from '../domain/estimate.ts'
import type { BatchId, ProjectId } from '../domain/ids.ts'
import type { PriceList } from '../domain/price.ts'
import { isOfTime, kindsOfTime, overEnqueued, overSpent, type Enqueued, type Quota, type QuotaKind } from '../domain/quota.ts'
import type { ShardSpan } from '../domain/shard.ts'
import { int, text, type Queries } from './db.ts'
import { experienceOf, holdQuotas, quotasOf, runningOf } from './quotas.ts'
import { spendingsOf } from './spendings.ts'
import { parameters, rowsOfValues } from './values.ts'

export interface Plan {
  /** null: the plan is short, and each shard has its part of it in its row. */
  readonly blob: string | null
  readonly bytes: number
  readonly lines: number
  /** As far as can be told before its lines have run. */
  readonly tokens: number
  /** The same in millionths of the currency; 0 where there is no price. */
  readonly cost: number
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
export async function startBatches(tx: Queries, starts: readonly Start[], prices: PriceList): Promise<Started[]> {
  const { took, over } = await enqueue(tx, starts, prices)
  const started = await begin(
    tx,
    starts.filter(({ id }) => !over.has(id)),
    took,
  )
  return starts.map(({ id, fence }) => over.get(id) ?? (started.has(`${id}/${fence}`) ? 'started' : 'lost'))
}

type Taken = Pick<Enqueued, 'tokens' | 'cost'>

const boundAtStart: readonly QuotaKind[] = ['enqueued_tokens', ...kindsOfTime]

/** What each batch is taken for from now on, or the quota that it would go beyond. Only where there is a quota what others have enqueued is looked at, under a lock. */
async function enqueue(
  tx: Queries,
  starts: readonly Start[],
  prices: PriceList,
): Promise<{ readonly took: ReadonlyMap<BatchId, Taken>; readonly over: ReadonlyMap<BatchId, Quota> }> {
  const took = new Map<BatchId, Taken>(starts.map(({ id, plan }) => [id, plan]))
  const over = new Map<BatchId, Quota>()
  const bounded = await tx.query(
    `select id, project_id from batches where id in (${parameters(starts.length)}) and status = 'validating'
     and project_id in (select project_id from quotas where kind in (${boundAtStart.map((kind) => `'${kind}'`).join(', ')}))`,
    starts.map(({ id }) => id),
  )
  const projects = [...new Set(bounded.map((row) => text(row, 'project_id') as ProjectId))].toSorted()
  await holdQuotas(tx, projects)
  for (const projectId of projects) {
    const quotas = await quotasOf(tx, [projectId])
    const open: Enqueued[] = [...(await runningOf(tx, projectId))]
    const spendings = quotas.some(isOfTime) ? await spendingsOf(tx, prices, projectId) : []
    for (const { id, plan } of starts.filter((s) => bounded.some((row) => row.id === s.id && row.project_id === projectId))) {
      const factor = learnedFactor(await experienceOf(tx, projectId, plan.model))
      const next = { model: plan.model, tokens: Math.ceil(plan.tokens * factor), cost: Math.ceil(plan.cost * factor) }
      const beyond = overEnqueued(quotas, open, next) ?? overSpent(quotas, spendings, open, next)
      if (beyond) over.set(id, beyond)
      else {
        took.set(id, next)
        open.push(next)
      }
    }
  }
  return { took, over }
}

async function begin(tx: Queries, starts: readonly Start[], took: ReadonlyMap<BatchId, Taken>): Promise<ReadonlySet<string>> {
  if (starts.length === 0) return new Set()
  const rows = await tx.query(
    `update batches set status = 'in_progress', model = v.column3, total = v.column4, plan_blob = v.column5, plan_bytes = v.column6, input_tag = v.column7, estimated_tokens = v.column8, enqueued_tokens = v.column9, enqueued_cost = v.column10,
       in_progress_at = case when created_at > {now} then created_at else {now} end,
       owner = null, lease_until = 0, retry_at = 0, trouble = null, trouble_since = null
     from (values ${rowsOfValues(starts.length, 10, [1, 3, 5, 7, 8, 9])}) v
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
      took.get(id)?.tokens ?? 0,
      took.get(id)?.cost ?? 0,
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
