import { text, type Queries } from './db.ts'
import { rowsOfValues } from './values.ts'

/** A blob that is on its way and under no fence: announced before its first byte, so that it is found if its writer dies (I3). */
export interface Upload {
  readonly blob: string
  readonly owner: string
  /** How long it stands if it is not renewed, by the database's clock. */
  readonly leaseMs: number
}

export async function announceUpload(db: Queries, upload: Upload): Promise<void> {
  await announceUploads(db, [upload])
}

/** Each blob once. */
export async function announceUploads(db: Queries, uploads: readonly Upload[]): Promise<void[]> {
  await db.query(
    `insert into uploads (blob, owner, renewed_until) values ${uploads
      .map((_, i) => `($${i * 3 + 1}, $${i * 3 + 2}, {now} + $${i * 3 + 3})`)
      .join(', ')}
     on conflict (blob) do update set owner = excluded.owner, renewed_until = excluded.renewed_until`,
    uploads.flatMap(({ blob, owner, leaseMs }) => [blob, owner, leaseMs]),
  )
  return uploads.map(() => {})
}

export async function renewUploads(db: Queries, owner: string, leaseMs: number): Promise<void> {
  await db.query(`update uploads set renewed_until = {now} + $2 where owner = $1`, [owner, leaseMs])
}

/**
 * Ends announcements, in the transaction that makes the blobs count. How many there were: one that is missing was over, and whoever removes blobs has it; then
 * the blob must not count.
 */
export async function endUploads(tx: Queries, uploads: readonly Pick<Upload, 'blob' | 'owner'>[]): Promise<number> {
  const rows = await tx.query(
    `delete from uploads where (blob, owner) in (values ${rowsOfValues(uploads.length, 2)}) returning blob`,
    uploads.flatMap(({ blob, owner }) => [blob, owner]),
  )
  return rows.length
}

/** False: it was over. */
export const endUpload = async (tx: Queries, blob: string, owner: string): Promise<boolean> =>
  (await endUploads(tx, [{ blob, owner }])) === 1

/** The results of a walk are no longer announced: whoever removes blobs may have been at them. */
export const resultsLapsed = (): Error =>
  new Error('the results were written too slowly, and their announcement has lapsed; they are written again')

/** Of each announcement: is it still its owner's? */
export async function areAnnounced(db: Queries, uploads: readonly Pick<Upload, 'blob' | 'owner'>[]): Promise<boolean[]> {
  const rows = await db.query(
    `select blob, owner from uploads where (blob, owner) in (values ${rowsOfValues(uploads.length, 2)})`,
    uploads.flatMap(({ blob, owner }) => [blob, owner]),
  )
  return uploads.map(({ blob, owner }) => rows.some((row) => row.blob === blob && row.owner === owner))
}

export async function dropUpload(db: Queries, blob: string): Promise<void> {
  await db.query(`delete from uploads where blob = $1`, [blob])
}

/**
 * Takes the blobs whose writers no longer renew them: from now on they are this owner's, and no writer that comes back can make them count (I3: who wants a blob
 * gone takes the lease first). Those of one that died at it are taken again.
 */
export async function takeLapsedUploads(db: Queries, owner: string, limit: number): Promise<string[]> {
  const rows = await db.query(
    `update uploads set owner = $1 where renewed_until <= {now} and blob in (select blob from uploads where renewed_until <= {now} limit $2) returning blob`,
    [owner, limit],
  )
  return rows.map((row) => text(row, 'blob'))
}

/** Who announces the results of a walk. */
export const walkOwner = (batchId: string, fence: number): string => `${batchId}/${fence}`
