import type { BatchId, ProjectId } from '../domain/ids.ts'
import { intOrNull, text, textOrNull, type Db, type Queries, type Row } from './db.ts'
import { renewWalk } from './walks.ts'

export type OutputKind = 'output' | 'error'

/** A name for a result object, reserved for one batch: unique by store, bucket and key. What was staged under it is how a later composer knows its own. */
export interface Output {
  readonly store: string
  readonly bucket: string
  readonly key: string
  readonly projectId: ProjectId
  readonly batchId: BatchId
  readonly kind: OutputKind
  readonly staged: { readonly bytes: number; readonly tag: string; readonly handle: string } | null
}

export type OutputName = Pick<Output, 'store' | 'bucket' | 'key' | 'kind'>

class NotOurs extends Error {}

/** The right to compose a batch: what is written says its fence. */
export interface ComposeWalk {
  readonly projectId: ProjectId
  readonly batchId: BatchId
  readonly fence: number
  readonly leaseMs: number
}

/**
 * Reserves all of the names for the walk's batch, or none. 'taken': one belongs to another batch; 'old': the walk's fence is old. Names that the batch has
 * already are kept as they are. The walk is renewed first, so that whoever takes it over waits for this commit and finds the names.
 */
export async function reserveOutputs(
  db: Db,
  { projectId, batchId, fence, leaseMs }: ComposeWalk,
  names: readonly OutputName[],
): Promise<'reserved' | 'taken' | 'old'> {
  try {
    return await db.tx(async (tx) => {
      if (!(await renewWalk(tx, batchId, fence, leaseMs))) return 'old'
      for (const { store, bucket, key, kind } of names) {
        await tx.query(
          `insert into outputs (store, bucket, key, project_id, batch_id, kind) values ($1, $2, $3, $4, $5, $6) on conflict (store, bucket, key) do nothing`,
          [store, bucket, JSON.stringify(key), projectId, batchId, kind],
        )
        const [row] = await tx.query(`select batch_id from outputs where store = $1 and bucket = $2 and key = $3`, [
          store,
          bucket,
          JSON.stringify(key),
        ])
        if (row?.batch_id !== batchId) throw new NotOurs()
      }
      return 'reserved'
    })
  } catch (error) {
    if (error instanceof NotOurs) return 'taken'
    throw error
  }
}

export async function outputsOf(db: Queries, batchId: BatchId): Promise<Output[]> {
  return (await db.query(`select * from outputs where batch_id = $1 order by kind desc`, [batchId])).map(outputOf)
}

/** The result objects of a batch that has ended. */
export async function publishedOutputs(db: Queries, projectId: ProjectId, batchId: BatchId): Promise<Output[]> {
  const rows = await db.query(`select * from outputs where project_id = $1 and batch_id = $2 and published_at is not null`, [
    projectId,
    batchId,
  ])
  return rows.map(outputOf)
}

/** Says what was staged under a reserved name, before it appears there. False: the walk's fence is old. */
export async function recordStaged(
  db: Queries,
  walk: { batchId: BatchId; fence: number },
  name: OutputName,
  staged: NonNullable<Output['staged']>,
): Promise<boolean> {
  const rows = await db.query(
    `update outputs set bytes = $4, tag = $5, handle = $6
     where store = $1 and bucket = $2 and key = $3 and batch_id = $7 and exists (select 1 from batches where id = $7 and fence = $8) returning key`,
    [name.store, name.bucket, JSON.stringify(name.key), staged.bytes, staged.tag, staged.handle, walk.batchId, walk.fence],
  )
  return rows.length === 1
}

/** Gives reserved names back that turned out not to be needed, or to be taken by somebody else. */
export async function releaseOutputs(db: Queries, batchId: BatchId, names: readonly OutputName[]): Promise<void> {
  for (const { store, bucket, key } of names)
    await db.query(
      `delete from outputs where store = $1 and bucket = $2 and key = $3 and batch_id = $4 and published_at is null`,
      [store, bucket, JSON.stringify(key), batchId],
    )
}

/** Published objects whose time is over. */
export async function expiredOutputs(db: Queries, limit: number): Promise<Output[]> {
  return (
    await db.query(`select * from outputs where expires_at <= {now} and published_at is not null order by expires_at limit $1`, [
      limit,
    ])
  ).map(outputOf)
}

/** It could not be deleted: it is tried again later, and does not stand before those that can be. */
export async function postponeExpiry(db: Queries, { store, bucket, key }: OutputName, ms: number): Promise<void> {
  await db.query(`update outputs set expires_at = {now} + $4 where store = $1 and bucket = $2 and key = $3`, [
    store,
    bucket,
    JSON.stringify(key),
    ms,
  ])
}

export async function forgetOutput(db: Queries, name: OutputName, batchId: BatchId): Promise<void> {
  await db.query(`delete from outputs where store = $1 and bucket = $2 and key = $3 and batch_id = $4`, [
    name.store,
    name.bucket,
    JSON.stringify(name.key),
    batchId,
  ])
}

function outputOf(row: Row): Output {
  const tag = textOrNull(row, 'tag')
  return {
    store: text(row, 'store'),
    bucket: text(row, 'bucket'),
    key: JSON.parse(text(row, 'key')) as string,
    projectId: text(row, 'project_id') as ProjectId,
    batchId: text(row, 'batch_id') as BatchId,
    kind: text(row, 'kind') as OutputKind,
    staged: tag === null ? null : { tag, bytes: intOrNull(row, 'bytes') ?? 0, handle: text(row, 'handle') },
  }
}

export const sameName = (a: OutputName, b: OutputName): boolean => a.store === b.store && a.bucket === b.bucket && a.key === b.key
