import { int, text, type Queries } from './db.ts'
import type { Running } from '../domain/risk.ts'
import { parameters } from './values.ts'

export interface RunningGroup {
  /** Project, model and endpoint. */
  readonly key: string
  readonly batches: readonly Running[]
  /** Work that it has done since yesterday began. */
  readonly done: number
}

/** What runs, by project, model and endpoint, made of the rows of batches and shards and of the ledger, as they are at one moment. */
export async function runningGroups(db: Queries): Promise<RunningGroup[]> {
  const rows = await db.query(
    `select b.id, b.project_id, b.model, b.endpoint, b.total, b.estimated_tokens as tokens, b.at_risk, b.expires_at - {now} as left_ms,
       (select coalesce(sum(s.completed + s.failed), 0) from shards s where s.batch_id = b.id) as ended
     from batches b where b.status = 'in_progress' and b.expires_at > {now}
     union all
     select '', u.project_id, u.model, u.endpoint, 1, sum(u.estimated_tokens), 0, 0, 1
     from usage u where u.day >= {now} / 86400000 - 1 and u.project_id in (select project_id from batches where status = 'in_progress')
     group by u.project_id, u.model, u.endpoint`,
  )
  const groups = new Map<string, { batches: Running[]; done: number }>()
  for (const row of rows) {
    const key = `${text(row, 'project_id')} ${text(row, 'endpoint')} ${text(row, 'model')}`
    const group = groups.get(key) ?? { batches: [], done: 0 }
    groups.set(key, group)
    const [total, tokens, ended] = [int(row, 'total'), int(row, 'tokens'), int(row, 'ended')]
    const done = total === 0 ? 0 : (tokens * ended) / total
    group.done += done
    const id = text(row, 'id')
    if (id !== '') group.batches.push({ id, leftMs: int(row, 'left_ms'), work: tokens - done, atRisk: int(row, 'at_risk') === 1 })
  }
  return [...groups].flatMap(([key, group]) => (group.batches.length > 0 ? [{ key, ...group }] : []))
}

/** Those that were not so before, and run. */
export async function markRisk(db: Queries, ids: readonly string[], atRisk: boolean): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db.query(
    `update batches set at_risk = $1 where id in (${parameters(ids.length, 2)}) and at_risk <> $1 and status = 'in_progress' returning id`,
    [atRisk ? 1 : 0, ...ids],
  )
  return rows.map((row) => text(row, 'id'))
}
