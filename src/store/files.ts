import type { BatchId, FileId, ProjectId } from '../domain/ids.ts'
import { int, intOrNull, text, textOrNull, type Queries, type Row } from './db.ts'
import { byName, rowsOfValues } from './values.ts'

export interface StoredFile {
  readonly id: FileId
  readonly projectId: ProjectId
  readonly purpose: string
  readonly filename: string
  readonly bytes: number
  /** Its name in the store of files. */
  readonly blob: string
  readonly createdAt: number
  readonly expiresAt: number | null
  /** The batch whose result it is. */
  readonly batchId: BatchId | null
}

export const insertFile = (db: Queries, file: StoredFile): Promise<void> => insertFiles(db, [file])

export async function insertFiles(db: Queries, files: readonly StoredFile[]): Promise<void> {
  await db.query(
    `insert into files (id, project_id, purpose, filename, bytes, blob, created_at, expires_at, batch_id) values ${rowsOfValues(files.length, 9)}`,
    files.flatMap((f) => [
      f.id,
      f.projectId,
      f.purpose,
      JSON.stringify(f.filename),
      f.bytes,
      f.blob,
      f.createdAt,
      f.expiresAt,
      f.batchId,
    ]),
  )
}

export interface FileName {
  readonly projectId: ProjectId
  readonly id: FileId
}

/** A file whose time is over is as absent, deleted or not. */
export const findFile = async (db: Queries, projectId: ProjectId, id: FileId): Promise<StoredFile | null> =>
  (await findFiles(db, [{ projectId, id }]))[0] ?? null

/** The file of each name, or null. */
export async function findFiles(db: Queries, names: readonly FileName[]): Promise<(StoredFile | null)[]> {
  const { where, values } = byName(names)
  const rows = await db.query(`select * from files where ${where} and (expires_at is null or expires_at > {now})`, values)
  const found = rows.map(fileOf)
  return names.map(({ projectId, id }) => found.find((file) => file.projectId === projectId && file.id === id) ?? null)
}

export interface FilePage {
  readonly purpose: string | null
  readonly after: StoredFile | null
  readonly order: 'asc' | 'desc'
  readonly limit: number
}

/** By time of creation, then id. */
export async function listFiles(
  db: Queries,
  projectId: ProjectId,
  { purpose, after, order, limit }: FilePage,
): Promise<StoredFile[]> {
  const past = order === 'asc' ? '>' : '<'
  const rows = await db.query(
    `select * from files where project_id = $1 and (expires_at is null or expires_at > {now}) and (cast($2 as text) is null or purpose = $2)
       ${after ? `and (created_at, id) ${past} ($4, $5)` : ''}
     order by created_at ${order}, id ${order} limit $3`,
    after ? [projectId, purpose, limit, after.createdAt, after.id] : [projectId, purpose, limit],
  )
  return rows.map(fileOf)
}

/** The row that was deleted, so that its blob can go. */
export async function deleteFile(db: Queries, projectId: ProjectId, id: FileId): Promise<StoredFile | null> {
  const [row] = await db.query(`delete from files where project_id = $1 and id = $2 returning *`, [projectId, id])
  return row ? fileOf(row) : null
}

export async function expiredFiles(db: Queries, limit: number): Promise<StoredFile[]> {
  return (await db.query(`select * from files where expires_at <= {now} order by expires_at limit $1`, [limit])).map(fileOf)
}

/** Lets the time of a project's files be over that are older than it keeps them. */
export async function expireOldFiles(
  db: Queries,
  { projectId, keepMs }: { readonly projectId: ProjectId; readonly keepMs: number },
): Promise<void> {
  await db.query(
    `update files set expires_at = {now} where project_id = $1 and created_at <= {now} - $2 and (expires_at is null or expires_at > {now})`,
    [projectId, keepMs],
  )
}

export async function deleteExpiredFile(db: Queries, id: FileId): Promise<boolean> {
  return (await db.query(`delete from files where id = $1 and expires_at <= {now} returning id`, [id])).length === 1
}

export async function blobInUse(db: Queries, blob: string): Promise<boolean> {
  return (await db.query(`select 1 as one from files where blob = $1 limit 1`, [blob])).length === 1
}

const fileOf = (row: Row): StoredFile => ({
  id: text(row, 'id') as FileId,
  projectId: text(row, 'project_id') as ProjectId,
  purpose: text(row, 'purpose'),
  filename: JSON.parse(text(row, 'filename')) as string,
  bytes: int(row, 'bytes'),
  blob: text(row, 'blob'),
  createdAt: int(row, 'created_at'),
  expiresAt: intOrNull(row, 'expires_at'),
  batchId: textOrNull(row, 'batch_id') as BatchId | null,
})
