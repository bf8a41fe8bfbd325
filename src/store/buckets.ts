import type { BucketPlace, Grant } from '../domain/grant.ts'
import type { ProjectId } from '../domain/ids.ts'
import { text, type Db, type Queries } from './db.ts'

/** Where a grant comes from: the settings (replaced at each start), the project itself (its own folder), or the operator's command. */
export type GrantSource = 'settings' | 'own' | 'operator'

export async function listGrants(
  db: Queries,
  projectId: ProjectId | null,
): Promise<(Grant & { readonly source: GrantSource })[]> {
  const rows = await db.query(
    `select * from buckets where cast($1 as text) is null or project_id = $1 order by project_id, bucket`,
    [projectId],
  )
  return rows.map((row) => ({
    projectId: text(row, 'project_id') as ProjectId,
    bucket: text(row, 'bucket'),
    place: JSON.parse(text(row, 'place')) as BucketPlace,
    source: text(row, 'source') as GrantSource,
  }))
}

/** A grant of the same project and bucket is replaced. */
export async function putGrant(db: Queries, grant: Grant, source: GrantSource): Promise<void> {
  await db.query(
    `insert into buckets (project_id, bucket, place, source) values ($1, $2, $3, $4)
     on conflict (project_id, bucket) do update set place = excluded.place, source = excluded.source`,
    [grant.projectId, grant.bucket, JSON.stringify(grant.place), source],
  )
}

/** What the settings grant now, in the place of what they granted before. */
export function replaceSettingsGrants(db: Db, grants: readonly Grant[]): Promise<void> {
  return db.tx(async (tx) => {
    await tx.query(`delete from buckets where source = 'settings'`)
    for (const grant of grants) await putGrant(tx, grant, 'settings')
  })
}

export async function removeGrant(db: Queries, projectId: ProjectId, bucket: string): Promise<boolean> {
  return (
    (await db.query(`delete from buckets where project_id = $1 and bucket = $2 returning bucket`, [projectId, bucket])).length ===
    1
  )
}
