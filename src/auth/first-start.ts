import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { conflicting } from '../domain/address.ts'
import type { BucketPlace, Grant } from '../domain/grant.ts'
import { projectNameTaken } from '../domain/errors.ts'
import type { ProjectId } from '../domain/ids.ts'
import type { Project } from '../domain/project.ts'
import { usualSet } from '../domain/rights.ts'
import type { Clock } from '../kit/clock.ts'
import { listGrants, putGrant, replaceSettingsGrants } from '../store/buckets.ts'
import type { Db } from '../store/db.ts'
import { defaultProject, findProject, holdProjects, insertProject } from '../store/projects.ts'
import { findKeyByHash, hasKeys } from '../store/keys.ts'
import { createKey, hashKey } from './keys.ts'

export interface FirstStart {
  readonly projectId: ProjectId
  /** The key, if this start made it. It is in `credentials` too, and nowhere else. */
  readonly key: string | null
  /** Is there a key in `credentials`? Not where a database that has keys is used with a data folder that knows none. */
  readonly knowsKey: boolean
  /** The file with url, project and key, readable by its owner alone. */
  readonly credentials: string
}

interface Parts {
  readonly db: Db
  readonly clock: Clock
  readonly newUuid: () => string
  readonly randomBytes: (n: number) => Uint8Array
}
interface Wanted {
  readonly data: string
  /** '': SQLite in the data folder. */
  readonly database: string
  readonly buckets: readonly {
    readonly bucket: string
    readonly place: BucketPlace
    readonly projects: readonly string[] | null
  }[]
}

/** Grants that cannot be: says which. */
export class GrantsInvalid extends Error {
  override name = 'GrantsInvalid'
}

/** The first start on a database makes the project `default`, its first key and its bucket folder; each start reads the grants of the settings and says where it listens. */
export async function prepareProjects(parts: Parts, settings: Wanted, url: string): Promise<FirstStart> {
  const { db } = parts
  const folder = resolve(settings.data)
  const project = (await defaultProject(db)) ?? (await makeProject(parts, folder, 'default', true))
  if (settings.database === '') await rehome(db, folder)
  await grantSettings(db, settings)
  const credentials = join(folder, 'credentials.json')
  const read = await readCredentials(credentials)
  const isGood = read !== null && (await findKeyByHash(db, hashKey(read)))?.revokedAt === null
  const known = isGood ? read : null
  const key =
    known === null && !(await hasKeys(db))
      ? (
          await createKey(db, {
            id: parts.newUuid(),
            projectId: project.id,
            name: 'first',
            access: [{ projectId: project.id, rights: [usualSet, 'project:admin'] }],
            createdAt: parts.clock.now(),
            randomBytes: parts.randomBytes,
          })
        ).secret
      : null
  const mine = key ?? known
  await writeWhole(credentials, { url, project: project.id, ...(mine !== null && { key: mine }) })
  return { projectId: project.id, key, knowsKey: mine !== null, credentials }
}

/** A project and a bucket folder of its own: `default` for the default project, its id for others. */
export async function makeProject(
  { db, clock, newUuid }: Pick<Parts, 'db' | 'clock' | 'newUuid'>,
  folder: string,
  name: string,
  isDefault = false,
): Promise<Project> {
  const project: Project = {
    id: newUuid() as ProjectId,
    name,
    isDefault,
    weight: 1,
    createdAt: clock.now(),
    keepMs: null,
    erasingAt: null,
  }
  const bucket = isDefault ? 'default' : project.id
  const place: BucketPlace = { kind: 'folder', folder: join(folder, 'buckets', bucket) }
  await mkdir(place.folder, { recursive: true })
  return db.tx(async (tx) => {
    await holdProjects(tx)
    const earlier = isDefault ? await defaultProject(tx) : null
    if (earlier) return earlier // NOTE: of several servers that start on one empty database, one makes it
    if (await findProject(tx, name)) throw projectNameTaken(name)
    await insertProject(tx, project)
    await putGrant(tx, { projectId: project.id, bucket, place }, 'own')
    return project
  })
}

/** A data folder that was moved, or is a copy, has its projects' bucket folders where it is now. */
async function rehome(db: Db, folder: string): Promise<void> {
  for (const grant of await listGrants(db, null)) {
    const place = { kind: 'folder' as const, folder: join(folder, 'buckets', grant.bucket) }
    if (grant.source !== 'own' || grant.place.kind !== 'folder' || grant.place.folder === place.folder) continue
    if (await isDirectory(place.folder)) await putGrant(db, { ...grant, place }, 'own')
  }
}

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (seen) => seen.isDirectory(),
    () => false,
  )

async function grantSettings(db: Db, { buckets }: Wanted): Promise<void> {
  const grants: Grant[] = []
  for (const { bucket, place, projects } of buckets)
    for (const name of projects ?? [null]) {
      const project = name === null ? await defaultProject(db) : await findProject(db, name)
      if (!project)
        throw new GrantsInvalid(
          `Bucket '${bucket}' is granted to project '${name}', which does not exist. Create it with: nightshift projects create ${name}`,
        )
      grants.push({ projectId: project.id, bucket, place })
    }
  const kept = (await listGrants(db, null)).filter((g) => g.source !== 'settings')
  const problem = conflicting([...kept, ...grants])
  if (problem) throw new GrantsInvalid(`The buckets of the settings contradict each other: ${problem}.`)
  await replaceSettingsGrants(db, grants)
}

async function readCredentials(path: string): Promise<string | null> {
  try {
    const { key } = JSON.parse(await readFile(path, 'utf8')) as { key?: unknown }
    return typeof key === 'string' ? key : null
  } catch {
    return null
  }
}

async function writeWhole(path: string, content: object): Promise<void> {
  await writeFile(`${path}.new`, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
}
