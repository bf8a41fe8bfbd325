import type { Batch, BatchStatus, PlanError } from '../domain/batch.ts'
import type { BatchId, KeyId, ProjectId } from '../domain/ids.ts'
import type { Retried } from '../domain/retried.ts'
import { int, intOrNull, text, textOrNull, type Queries, type Row } from './db.ts'
import { sumColumns, sumsOf } from './sums.ts'
import { byName, parameters, rowsOfValues } from './values.ts'

/** What a create gives; the rest of the row follows from it. */
export interface NewBatch {
  readonly id: BatchId
  readonly projectId: ProjectId
  readonly keyId: KeyId
  readonly endpoint: string
  readonly input: string
  readonly retried?: Retried | null
  readonly completionWindow: string
  readonly metadata: Readonly<Record<string, string>> | null
  readonly outputExpiresSeconds: number | null
  readonly createdAt: number
  readonly expiresAt: number
}

const newColumns = `id, project_id, key_id, endpoint, input, completion_window, metadata, output_expires_seconds, created_at, expires_at, status`

export async function insertBatches(db: Queries, batches: readonly NewBatch[]): Promise<Batch[]> {
  if (batches.length === 0) return []
  const rows = await db.query(
    `insert into batches (${newColumns}) values ${rowsOfValues(batches.length, 11)} returning ${columns}`,
    batches.flatMap((b) => [
      b.id,
      b.projectId,
      b.keyId,
      b.endpoint,
      JSON.stringify(b.retried ? { input: b.input, retried: b.retried } : b.input),
      b.completionWindow,
      b.metadata && JSON.stringify(b.metadata),
      b.outputExpiresSeconds,
      b.createdAt,
      b.expiresAt,
      'validating',
    ]),
  )
  return rows.map(batchOf)
}

export async function insertBatch(db: Queries, batch: NewBatch): Promise<void> {
  await insertBatches(db, [batch])
}

/** NOTE: not `*`: what else a row has may be long (the layout of a batch of millions of lines), and is not asked for. */
const batchColumns = [
  'id',
  'project_id',
  'key_id',
  'endpoint',
  'input',
  'completion_window',
  'metadata',
  'output_expires_seconds',
  'status',
  'model',
  'errors',
  'output_file_id',
  'error_file_id',
  'created_at',
  'in_progress_at',
  'expires_at',
  'finalizing_at',
  'completed_at',
  'failed_at',
  'expired_at',
  'cancelling_at',
  'cancelled_at',
  'total',
  'at_risk',
  ...sumColumns,
]
const columns = batchColumns.join(', ')

export interface BatchName {
  readonly projectId: ProjectId
  readonly id: BatchId
}

/** The caller's project is named in the statement itself (I14). */
export const findBatch = async (db: Queries, projectId: ProjectId, id: BatchId): Promise<Batch | null> =>
  (await findBatches(db, [{ projectId, id }]))[0] ?? null

/** The batch of each name, or null. */
export async function findBatches(db: Queries, names: readonly BatchName[]): Promise<(Batch | null)[]> {
  const { where, values } = byName(names)
  const rows = await db.query(`select ${columns} from batches where ${where}`, values)
  const found = await batchesOf(db, rows)
  return names.map(({ projectId, id }) => found.find((batch) => batch.projectId === projectId && batch.id === id) ?? null)
}

/** For the worker, which serves all projects. */
export async function loadBatch(db: Queries, id: BatchId): Promise<Batch | null> {
  const [batch] = await batchesOf(db, await db.query(`select ${columns} from batches where id = $1`, [id]))
  return batch ?? null
}

/**
 * In their order, with their sums: of one that has ended, those that publishing wrote; one that runs is read once more, with those of its shards, in one
 * statement, so that none is seen between the two. NOTE: that one takes PostgreSQL several times as long to plan, and most batches that are asked for do not run.
 */
async function batchesOf(db: Queries, rows: readonly Row[]): Promise<Batch[]> {
  const ids = rows.filter(isRunning).map((row) => text(row, 'id'))
  if (ids.length === 0) return rows.map(batchOf)
  const these = `(${parameters(ids.length)})`
  const read = await db.query(
    `select ${batchColumns.map((c) => `b.${c}`).join(', ')}, ${sumColumns.map((c) => `s.shards_${c}`).join(', ')} from batches b left join (
       select batch_id, ${sumColumns.map((c) => `sum(${c}) as shards_${c}`).join(', ')} from shards where batch_id in ${these} group by batch_id
     ) s on s.batch_id = b.id where b.id in ${these}`,
    ids,
  )
  const now = new Map(read.map((row) => [row.id, isRunning(row) ? withShardSums(row) : row]))
  return rows.map((row) => batchOf(now.get(row.id) ?? row))
}

const withShardSums = (row: Row): Row => ({
  ...row,
  ...Object.fromEntries(sumColumns.map((c) => [c, row[`shards_${c}`] ?? 0])),
})

const isRunning = ({ status }: Row): boolean => status === 'in_progress' || status === 'cancelling'

/** Newest first, older than `after` where it is given. */
export async function listBatches(db: Queries, projectId: ProjectId, after: BatchId | null, limit: number): Promise<Batch[]> {
  const rows = await db.query(`select ${columns} from batches where project_id = $1 and id < $2 order by id desc limit $3`, [
    projectId,
    after ?? '~',
    limit,
  ])
  return batchesOf(db, rows)
}

/** validating | in_progress -> cancelling. True if this call did it. A batch without shards or walker is ended by the composer all the same. */
export async function cancelBatch(db: Queries, projectId: ProjectId, id: BatchId): Promise<boolean> {
  const rows = await db.query(`${cancel} where project_id = $1 and id = $2 ${cancellable} returning id`, [projectId, id])
  return rows.length === 1
}

/** All batches of a project that can still be cancelled. */
export async function cancelBatches(db: Queries, projectId: ProjectId): Promise<void> {
  await db.query(`${cancel} where project_id = $1 ${cancellable}`, [projectId])
}

const cancel = `update batches set status = 'cancelling',
       cancelling_at = case when coalesce(in_progress_at, created_at) > {now} then coalesce(in_progress_at, created_at) else {now} end`
const cancellable = `and status in ('validating', 'in_progress')`

/**
 * What a batch reads, as JSON: an input as text, or an object that says what of it is run again. NOTE: not a column of its own: a worker of a program that does
 * not know it, while an upgrade rolls, would run every line again; this it takes for a file that is not there, and refuses.
 */
export function inputOf(row: Row): Pick<Batch, 'input' | 'retried'> {
  const input = JSON.parse(text(row, 'input')) as string | { readonly input: string; readonly retried: Retried }
  return typeof input === 'string' ? { input, retried: null } : input
}

export function batchOf(row: Row): Batch {
  return {
    id: text(row, 'id') as BatchId,
    projectId: text(row, 'project_id') as ProjectId,
    keyId: text(row, 'key_id') as KeyId,
    endpoint: text(row, 'endpoint'),
    ...inputOf(row),
    completionWindow: text(row, 'completion_window'),
    metadata: JSON.parse(textOrNull(row, 'metadata') ?? 'null') as Record<string, string> | null,
    outputExpiresSeconds: intOrNull(row, 'output_expires_seconds'),
    status: text(row, 'status') as BatchStatus,
    model: JSON.parse(textOrNull(row, 'model') ?? 'null') as string | null,
    errors: JSON.parse(textOrNull(row, 'errors') ?? 'null') as PlanError[] | null,
    outputFileId: textOrNull(row, 'output_file_id'),
    errorFileId: textOrNull(row, 'error_file_id'),
    createdAt: int(row, 'created_at'),
    inProgressAt: intOrNull(row, 'in_progress_at'),
    expiresAt: int(row, 'expires_at'),
    finalizingAt: intOrNull(row, 'finalizing_at'),
    completedAt: intOrNull(row, 'completed_at'),
    failedAt: intOrNull(row, 'failed_at'),
    expiredAt: intOrNull(row, 'expired_at'),
    cancellingAt: intOrNull(row, 'cancelling_at'),
    cancelledAt: intOrNull(row, 'cancelled_at'),
    total: int(row, 'total'),
    atRisk: row.status === 'in_progress' && int(row, 'at_risk') === 1,
    sums: sumsOf(row),
  }
}
