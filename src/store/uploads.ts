import { text, type Queries } from './db.ts'

/** A blob that is on its way and under no fence: announced before its first byte, so that it is found if its writer dies (I3). */
export interface Upload {
  readonly blob: string
  readonly owner: string
  readonly renewedUntil: number
}

export async function announceUpload(db: Queries, { blob, owner, renewedUntil }: Upload): Promise<void> {
  await db.query(
    `insert into uploads (blob, owner, renewed_until) values ($1, $2, $3)
     on conflict (blob) do update set owner = excluded.owner, renewed_until = excluded.renewed_until`,
    [blob, owner, renewedUntil],
  )
}

export async function renewUploads(db: Queries, owner: string, renewedUntil: number): Promise<void> {
  await db.query(`update uploads set renewed_until = $2 where owner = $1`, [owner, renewedUntil])
}

export async function dropUpload(db: Queries, blob: string): Promise<void> {
  await db.query(`delete from uploads where blob = $1`, [blob])
}

/** Blobs whose writers no longer renew them. */
export async function lapsedUploads(db: Queries, now: number, limit: number): Promise<string[]> {
  return (await db.query(`select blob from uploads where renewed_until <= $1 limit $2`, [now, limit])).map((row) =>
    text(row, 'blob'),
  )
}
