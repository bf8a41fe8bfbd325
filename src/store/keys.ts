import type { KeyId, ProjectId } from '../domain/ids.ts'
import { int, intOrNull, text, type Queries, type Row } from './db.ts'

/** A key as it can be shown: the key itself is stored only as a hash. */
export interface Key {
  readonly id: KeyId
  readonly projectId: ProjectId
  readonly name: string
  /** Its first characters, so that a person can tell keys apart. */
  readonly hint: string
  readonly createdAt: number
  readonly revokedAt: number | null
}

export async function insertKey(db: Queries, key: Key & { readonly hash: string }): Promise<void> {
  await db.query(
    `insert into keys (id, project_id, name, hash, hint, created_at, revoked_at) values ($1, $2, $3, $4, $5, $6, $7)`,
    [key.id, key.projectId, key.name, key.hash, key.hint, key.createdAt, key.revokedAt],
  )
}

/** Revoked ones too: the caller decides. */
export async function findKeyByHash(db: Queries, hash: string): Promise<Key | null> {
  const [row] = await db.query(`select * from keys where hash = $1`, [hash])
  return row ? keyOf(row) : null
}

export async function listKeys(db: Queries, projectId: ProjectId | null): Promise<Key[]> {
  return (
    await db.query(`select * from keys where cast($1 as text) is null or project_id = $1 order by created_at, id`, [projectId])
  ).map(keyOf)
}

/** False if there is no such key, or it was revoked before. */
export async function revokeKey(db: Queries, id: string, at: number): Promise<boolean> {
  return (
    (await db.query(`update keys set revoked_at = $2 where id = $1 and revoked_at is null returning id`, [id, at])).length === 1
  )
}

const keyOf = (row: Row): Key => ({
  id: text(row, 'id') as KeyId,
  projectId: text(row, 'project_id') as ProjectId,
  name: text(row, 'name'),
  hint: text(row, 'hint'),
  createdAt: int(row, 'created_at'),
  revokedAt: intOrNull(row, 'revoked_at'),
})
