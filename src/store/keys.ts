import type { KeyId, ProjectId } from '../domain/ids.ts'
import type { Access, Key } from '../domain/key.ts'
import type { RateLimits } from '../domain/rate.ts'
import { int, intOrNull, text, textOrNull, type Db, type Queries, type Row } from './db.ts'

export type NewKey = Omit<Key, 'access' | 'lastUsedAt' | 'revokedAt'> & {
  readonly hash: string
  readonly access: readonly Omit<Access, 'projectName'>[]
}

/** Within a transaction: a key without its rights could be seen otherwise. */
export async function insertKey(tx: Queries, key: NewKey): Promise<void> {
  await insertRow(tx, key)
  await insertAccess(tx, key.id, key.access)
}

/** `otherwise`: what becomes of a row that is there already, as SQL; it is refused by default. */
async function insertRow(tx: Queries, key: NewKey, otherwise = ''): Promise<void> {
  await tx.query(
    `insert into keys (id, project_id, name, hash, hint, operator, limits, created_at, expires_at, issuer) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ${otherwise}`,
    [
      key.id,
      key.projectId,
      key.name,
      key.hash,
      key.hint,
      key.isOperator ? 1 : 0,
      JSON.stringify(key.limits),
      key.createdAt,
      key.expiresAt,
      key.issuer,
    ],
  )
}

async function insertAccess(tx: Queries, id: KeyId, access: NewKey['access'], otherwise = ''): Promise<void> {
  for (const { projectId, rights } of access)
    await tx.query(`insert into key_rights (key_id, project_id, rights) values ($1, $2, $3) ${otherwise}`, [
      id,
      projectId,
      rights.join(' '),
    ])
}

/**
 * The row of a subject of an issuer, made at its first token: where it has been, with the rights of its latest token there. One that was revoked stays as it is.
 * null: its projects are being erased.
 */
export async function holdSubject(db: Db, subject: NewKey): Promise<Key | null> {
  const known = await findKeyByHash(db, subject.hash)
  if (known && (known.revokedAt !== null || isNoted(known, subject))) return known
  return db.tx(async (tx) => {
    const living = await lockLiving(
      tx,
      subject.access.map(({ projectId }) => projectId),
    )
    const access = subject.access.filter(({ projectId }) => living.has(projectId))
    const [first] = access
    if (!first) return null
    await insertRow(
      tx,
      { ...subject, projectId: first.projectId },
      'on conflict (hash) do update set operator = case when excluded.operator = 1 then 1 else keys.operator end',
    )
    const key = await findKeyByHash(tx, subject.hash)
    if (!key) throw new Error('a subject that was made is not there')
    await insertAccess(tx, key.id, access, 'on conflict (key_id, project_id) do update set rights = excluded.rights')
    return key
  })
}

const isNoted = (known: Key, { isOperator, access }: NewKey): boolean =>
  (known.isOperator || !isOperator) &&
  access.every((one) => known.access.some((a) => a.projectId === one.projectId && a.rights.join(' ') === one.rights.join(' ')))

/** Those of the projects that are not being erased, nor will be before this transaction ends. */
async function lockLiving(tx: Queries, ids: readonly ProjectId[]): Promise<ReadonlySet<string>> {
  const living = new Set<string>()
  for (const id of ids.toSorted()) {
    const rows = await tx.query(`update projects set erasing_at = null where id = $1 and erasing_at is null returning id`, [id])
    if (rows.length > 0) living.add(id)
  }
  return living
}

const withAccess = `select k.*, a.project_id as access_id, p.name as access_name, a.rights
  from keys k left join key_rights a on a.key_id = k.id left join projects p on p.id = a.project_id`

/** Revoked ones and those whose time is over too: the caller decides. */
export async function findKeyByHash(db: Queries, hash: string): Promise<Key | null> {
  return keysOf(await db.query(`${withAccess} where k.hash = $1`, [hash]))[0] ?? null
}

/** Was there ever one that is no issuer's subject? */
export async function hasKeys(db: Queries): Promise<boolean> {
  return (await db.query(`select 1 as one from keys where issuer is null limit 1`)).length > 0
}

export async function findKey(db: Queries, id: string): Promise<Key | null> {
  return keysOf(await db.query(`${withAccess} where k.id = $1`, [id]))[0] ?? null
}

/** Of one project (those that may do anything in it), or all. */
export async function listKeys(db: Queries, projectId: ProjectId | null): Promise<Key[]> {
  return keysOf(
    await db.query(
      `${withAccess} where cast($1 as text) is null or exists (select 1 from key_rights r where r.key_id = k.id and r.project_id = $1)
       order by k.created_at, k.id`,
      [projectId],
    ),
  )
}

/** False if there is no such key, or it was revoked before. */
export async function revokeKey(db: Queries, id: string, at: number): Promise<boolean> {
  return (
    (await db.query(`update keys set revoked_at = $2 where id = $1 and revoked_at is null returning id`, [id, at])).length === 1
  )
}

/** `before`: what was noted since then stays. */
export async function noteUse(db: Queries, id: KeyId, at: number, before: number): Promise<void> {
  await db.query(`update keys set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $3)`, [
    id,
    at,
    before,
  ])
}

function keysOf(rows: readonly Row[]): Key[] {
  const found = new Map<string, Key & { readonly access: Access[] }>()
  for (const row of rows) {
    const id = text(row, 'id')
    const key = found.get(id) ?? { ...keyOf(row), access: [] }
    found.set(id, key)
    if (row.access_id !== null && row.access_name !== null)
      key.access.push({
        projectId: text(row, 'access_id') as ProjectId,
        projectName: text(row, 'access_name'),
        rights: text(row, 'rights').split(' '),
      })
  }
  return [...found.values()]
}

const keyOf = (row: Row): Omit<Key, 'access'> => ({
  id: text(row, 'id') as KeyId,
  projectId: text(row, 'project_id') as ProjectId,
  name: text(row, 'name'),
  hint: text(row, 'hint'),
  issuer: textOrNull(row, 'issuer'),
  isOperator: int(row, 'operator') === 1,
  limits: JSON.parse(textOrNull(row, 'limits') ?? '{}') as RateLimits,
  createdAt: int(row, 'created_at'),
  expiresAt: intOrNull(row, 'expires_at'),
  lastUsedAt: intOrNull(row, 'last_used_at'),
  revokedAt: intOrNull(row, 'revoked_at'),
})
