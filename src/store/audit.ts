import type { AuditEntry } from '../domain/audit.ts'
import type { KeyId, ProjectId } from '../domain/ids.ts'
import type { Operation } from '../domain/rights.ts'
import { int, text, textOrNull, type Queries, type Row } from './db.ts'
import { rowsOfValues } from './values.ts'

/** What is there already is left as it is: an insert whose answer was lost is made again. */
export async function insertAudit(db: Queries, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return
  await db.query(
    `insert into audit (id, at, project_id, key_id, operation, target, address, status) values ${rowsOfValues(entries.length, 8)} on conflict do nothing`,
    entries.flatMap((e) => [e.id, e.at, e.projectId, e.keyId, e.operation, e.target, e.address, e.status]),
  )
}

/** Newest first, older than `after` where it is given; `projectId` null: of all, and of those who are unknown. */
export async function listAudit(
  db: Queries,
  projectId: ProjectId | null,
  after: string | null,
  limit: number,
): Promise<AuditEntry[]> {
  const [whose, values] = projectId === null ? ['', []] : ['project_id = $3 and ', [projectId]]
  const rows = await db.query(`select * from audit where ${whose}id < $1 order by id desc limit $2`, [
    after ?? '~',
    limit,
    ...values,
  ])
  return rows.map(entryOf)
}

export async function pruneAudit(db: Queries, keptMs: number, limit: number): Promise<number> {
  const rows = await db.query(
    `delete from audit where id in (select id from (select id, at from audit order by id limit $2) oldest where at <= {now} - $1) returning id`,
    [keptMs, limit],
  )
  return rows.length
}

const entryOf = (row: Row): AuditEntry => ({
  id: text(row, 'id'),
  at: int(row, 'at'),
  projectId: textOrNull(row, 'project_id') as ProjectId | null,
  keyId: textOrNull(row, 'key_id') as KeyId | null,
  operation: text(row, 'operation') as Operation,
  target: textOrNull(row, 'target'),
  address: text(row, 'address'),
  status: int(row, 'status'),
})
