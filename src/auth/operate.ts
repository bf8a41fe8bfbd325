/** What operators and administrators of projects do. */
import type { Caller } from './caller.ts'
import { makeProject } from './first-start.ts'
import { createKey } from './keys.ts'
import { nothingThere, type Erasure, type StillThere } from '../domain/erasure.ts'
import {
  cannotErase,
  invalid,
  keyOfOthers,
  lacksRight,
  noSuchKey,
  noSuchProject,
  projectErasing,
  projectNameTaken,
} from '../domain/errors.ts'
import { isUuid, type ProjectId } from '../domain/ids.ts'
import { dayMs } from '../domain/day.ts'
import type { Key } from '../domain/key.ts'
import type { Project } from '../domain/project.ts'
import type { RateLimits } from '../domain/rate.ts'
import type { AuditEntry } from '../domain/audit.ts'
import { grantable, usualSet } from '../domain/rights.ts'
import type { Clock } from '../kit/clock.ts'
import { listAudit } from '../store/audit.ts'
import { listGrants } from '../store/buckets.ts'
import type { Db } from '../store/db.ts'
import { beginErasure, findErasure, listErasures, operatorsOnlyOf, stillThere } from '../store/erasures.ts'
import { findKey, listKeys, revokeKey } from '../store/keys.ts'
import { findProject, holdProjects, listProjects, updateProject } from '../store/projects.ts'

export interface OperateParts {
  readonly db: Db
  readonly clock: Clock
  readonly newUuid: () => string
  readonly randomBytes: (n: number) => Uint8Array
  /** The data folder, where each project gets a bucket folder of its own. */
  readonly folder: string
}

/** The one project that an administrator sees; null: all of them, as operators do. */
export type Scope = ProjectId | null

/** A key that is to be made. */
export interface KeyOrder {
  readonly name: string
  /** Projects by id or name, the first one is its default. */
  readonly access: readonly { readonly project: string; readonly rights?: readonly string[] | undefined }[]
  readonly isOperator: boolean
  /** Milliseconds. */
  readonly expiresAt: number | null
  readonly limits?: RateLimits
}

/** An operator sees all projects, an administrator the one that they call for. */
export const scopeOf = ({ rights, projectId }: Pick<Caller, 'rights' | 'projectId'>): Scope =>
  rights.has('operator') ? null : projectId

export const heaviest = 1000
/** Days. */
export const longestKept = 3650

export interface AuditAsk {
  readonly project?: string
  /** The id of an entry: those before it. */
  readonly after?: string
  readonly limit: number
}

/** Newest first. */
export async function showAudit(parts: OperateParts, scope: Scope, { project, after, limit }: AuditAsk): Promise<AuditEntry[]> {
  const one = project === undefined ? scope : (await showProject(parts, scope, project)).id
  return listAudit(parts.db, one, after ?? null, limit)
}

export async function showProjects({ db }: OperateParts, scope: Scope): Promise<Project[]> {
  return (await listProjects(db)).filter(({ id }) => scope === null || id === scope)
}

/** @throws 404, the same bytes, for one that is not there and one that is not the caller's */
export async function showProject({ db }: Pick<OperateParts, 'db'>, scope: Scope, idOrName: string): Promise<Project> {
  const found = await findProject(db, idOrName)
  if (!found || (scope !== null && found.id !== scope)) throw noSuchProject(idOrName)
  return found
}

/** `default` is what the first start would make. @throws 409 when the name is taken */
export async function addProject(parts: OperateParts, name: string): Promise<Project> {
  checkName(name)
  return makeProject(parts, parts.folder, name, name === 'default')
}

/** What is not given stays. An administrator may not say how much of the server is theirs, nor take a name, by which settings grant buckets. @throws 403, 404, 409 */
export async function changeProject(
  parts: OperateParts,
  scope: Scope,
  idOrName: string,
  change: {
    readonly name?: string | undefined
    readonly weight?: number | undefined
    readonly keep_days?: number | null | undefined
  },
): Promise<Project> {
  if (change.name !== undefined) checkName(change.name)
  const project = await showProject(parts, scope, idOrName)
  const { name, weight = project.weight } = change
  if ((change.weight !== undefined || (name !== undefined && name !== project.name)) && scope !== null)
    throw lacksRight('operator')
  if (!Number.isInteger(weight) || weight < 1 || weight > heaviest)
    throw invalid('weight', `Invalid 'weight': expected a whole number from 1 to ${heaviest}.`)
  const keep = change.keep_days
  if (typeof keep === 'number' && !(Number.isInteger(keep) && keep >= 1 && keep <= longestKept))
    throw invalid('keep_days', `Invalid 'keep_days': expected a whole number of days from 1 to ${longestKept}, or null.`)
  const keepMs = keep === undefined || keep === null ? keep : keep * dayMs
  return parts.db.tx(async (tx) => {
    if (name !== undefined) {
      await holdProjects(tx)
      const holder = await findProject(tx, name)
      if (holder && holder.id !== project.id) throw projectNameTaken(name)
    }
    const changed = await updateProject(tx, project.id, { name, weight: change.weight, keepMs })
    if (!changed) throw noSuchProject(idOrName)
    return changed
  })
}

export interface ErasureSeen {
  readonly erasure: Erasure
  readonly there: StillThere
}

/**
 * Begins to delete a project with everything of it; workers go on with it. Asked for again, it tells how far it is.
 * @throws 404; 409 for the default project, and where the key of an operator would end with it
 */
export async function eraseProject({ db }: Pick<OperateParts, 'db'>, scope: Scope, idOrName: string): Promise<ErasureSeen> {
  const earlier = await findErasure(db, idOrName as ProjectId)
  if (earlier) return seen(db, earlier)
  const { id, name, isDefault } = await showProject({ db }, scope, idOrName)
  if (isDefault) throw cannotErase('The default project cannot be erased: it is the one of calls that name none.')
  if ((await operatorsOnlyOf(db, id)) > 0)
    throw cannotErase(
      `Keys of operators are for the project '${name}' alone and would end with it. Revoke them first, and use one of another project.`,
    )
  await beginErasure(db, id, name)
  const begun = await findErasure(db, id)
  if (!begun) throw new Error('an erasure that was begun is not there')
  return seen(db, begun)
}

/** Newest first. */
export async function showErasures({ db }: Pick<OperateParts, 'db'>): Promise<ErasureSeen[]> {
  const found: ErasureSeen[] = []
  for (const one of await listErasures(db)) found.push(await seen(db, one))
  return found
}

const seen = async (db: Db, erasure: Erasure): Promise<ErasureSeen> => ({
  erasure,
  there: erasure.confirmedAt === null ? await stillThere(db, erasure.projectId) : nothingThere,
})

/** An id, or what OpenAI's clients send for projects of their own, would be taken for something else in the `OpenAI-Project` header. */
function checkName(name: string): void {
  if (isUuid(name) || /^proj[-_]/.test(name)) throw invalid('name', "Invalid 'name': it looks like the id of a project.")
  if (!/^[^\s\p{C}](?:[^\p{C}]{0,62}[^\s\p{C}])?$/u.test(name))
    throw invalid(
      'name',
      "Invalid 'name': expected 1 to 64 characters, none of them a control character, without space at its ends.",
    )
}

export async function showKeys(parts: OperateParts, scope: Scope, project: string | undefined): Promise<Key[]> {
  const one = project === undefined ? scope : (await showProject(parts, scope, project)).id
  return (await listKeys(parts.db, one)).map((key) => within(scope, key))
}

/** What an administrator sees of a key that is for other projects too. */
const within = (scope: Scope, key: Key): Key => ({
  ...key,
  access: key.access.filter(({ projectId }) => scope === null || projectId === scope),
})

/** The secret is in the answer and nowhere else. @throws 404 for a project that is not the caller's, 400 for rights that cannot be given */
export async function addKey(parts: OperateParts, scope: Scope, order: KeyOrder): Promise<{ key: Key; secret: string }> {
  const { db, clock, newUuid, randomBytes } = parts
  const access: { projectId: ProjectId; rights: readonly string[] }[] = []
  for (const [i, { project, rights = [usualSet] }] of order.access.entries()) {
    const { id: projectId, erasingAt } = await showProject(parts, scope, project)
    if (erasingAt !== null) throw projectErasing(project)
    if (access.some((a) => a.projectId === projectId)) throw invalid(`access[${i}]`, `Project '${project}' stands there twice.`)
    const unknown = rights.find((right) => !grantable.includes(right))
    if (unknown !== undefined)
      throw invalid(`access[${i}].rights`, `There is no right '${unknown}'. Rights that can be given: ${grantable.join(', ')}.`)
    access.push({ projectId, rights: [...new Set(rights)] })
  }
  const [first] = access
  if (!first) throw invalid('access', "Invalid 'access': a key is for at least one project.")
  if (order.isOperator && scope !== null) throw invalid('operator', 'Only an operator can make the key of an operator.')
  if (order.expiresAt !== null && order.expiresAt <= clock.now())
    throw invalid('expires_at', "Invalid 'expires_at': that time is over. It is in seconds since 1970.")
  const { name, isOperator, expiresAt, limits = {} } = order
  const made = await createKey(db, {
    id: newUuid(),
    projectId: first.projectId,
    name,
    createdAt: clock.now(),
    randomBytes,
    access,
    isOperator,
    expiresAt,
    limits,
  })
  const key = await findKey(db, made.id)
  if (!key) throw new Error('a key that was made is not there')
  return { key: within(scope, key), secret: made.secret }
}

/** @throws 404 for a key that is not there, not the caller's, or was revoked before; 409 for one that is for other projects too */
export async function withdrawKey({ db, clock }: OperateParts, scope: Scope, id: string): Promise<Key> {
  const key = await findKey(db, id)
  if (!key || (scope !== null && within(scope, key).access.length === 0)) throw noSuchKey(id)
  if (scope !== null && (key.isOperator || within(scope, key).access.length < key.access.length)) throw keyOfOthers()
  if (!(await revokeKey(db, id, clock.now()))) throw noSuchKey(id)
  return key
}

export const showBuckets = ({ db }: Pick<OperateParts, 'db'>, scope: Scope) => listGrants(db, scope)
