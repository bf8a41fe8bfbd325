/** What the operator's commands do, until there is an admin API. */
import { randomUUID } from 'node:crypto'
import type { Grant } from '../domain/grant.ts'
import { listGrants, type GrantSource } from '../store/buckets.ts'
import type { Db } from '../store/db.ts'
import { listKeys, revokeKey, type Key } from '../store/keys.ts'
import { findProject, listProjects, type Project } from '../store/projects.ts'
import { makeProject } from './first-start.ts'
import { createKey } from './keys.ts'
import { systemClock } from '../kit/clock.ts'

export const showProjects = (db: Db): Promise<Project[]> => listProjects(db)

/** null: the name is taken. `folder` is the data folder, where the project gets a bucket folder of its own. `default` is what the first start would make. */
export async function addProject(db: Db, folder: string, name: string): Promise<Project | null> {
  if (await findProject(db, name)) return null
  return makeProject({ db, clock: systemClock, newUuid: () => randomUUID() }, folder, name, name === 'default')
}

/** null: there is no such project. */
export async function showKeys(db: Db, project: string | undefined): Promise<Key[] | null> {
  if (project === undefined) return listKeys(db, null)
  const found = await findProject(db, project)
  return found && listKeys(db, found.id)
}

/** null: there is no such project. */
export async function addKey(
  db: Db,
  project: string,
  name: string,
  randomBytes: (n: number) => Uint8Array,
): Promise<{ key: Key; secret: string } | null> {
  const found = await findProject(db, project)
  return found && createKey(db, { id: randomUUID(), projectId: found.id, name, createdAt: systemClock.now(), randomBytes })
}

export const withdrawKey = (db: Db, id: string): Promise<boolean> => revokeKey(db, id, systemClock.now())

export const showBuckets = (db: Db): Promise<(Grant & { readonly source: GrantSource })[]> => listGrants(db, null)
