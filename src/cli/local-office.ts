import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import {
  addKey,
  addProject,
  changeProject,
  eraseProject,
  noteCommand,
  openStore,
  showAudit,
  showBuckets,
  showErasures,
  showKeys,
  showProjects,
  systemClock,
  withdrawKey,
  type Store,
} from '../operating.ts'
import type { Settings } from '../config.ts'
import { auditWire } from '../domain/audit.ts'
import { erasureWire } from '../domain/erasure.ts'
import { makeUuids, type ProjectId } from '../domain/ids.ts'
import type { Operation } from '../domain/rights.ts'
import { grantWire, keyWire, projectWire } from '../domain/admin-wire.ts'
import { exit, Failure } from './failure.ts'
import type { Office } from './office.ts'

/** Works on the database of the data folder, beside a running server. */
export async function inStore<T>(settings: Settings, work: (db: Store) => Promise<T>, mayMake = false): Promise<T> {
  if (!mayMake && settings.database === '' && !existsSync(resolve(settings.data)))
    throw new Failure(
      `There is no data folder ${resolve(settings.data)}: give the one of your server with --data, or start "nightshift serve", which makes it.`,
      exit.usage,
    )
  const db = await openStore(settings)
  try {
    return await work(db)
  } finally {
    await db[Symbol.asyncDispose]()
  }
}

/** NOTE: a container may run as a number that has no name. */
function whoAmI(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.()}`
  }
}

/** Who can open the database may do everything; what they change is written down beside what comes by the API. */
export function localOffice(db: Store, { data, auditKeep }: Settings): Office {
  const parts = {
    db,
    folder: resolve(data),
    clock: systemClock,
    newUuid: makeUuids(() => systemClock.now(), randomBytes),
    randomBytes,
  }
  const by = whoAmI()
  async function noted(operation: Operation, project: string | null, target: string): Promise<void> {
    if (auditKeep > 0) await noteCommand(parts, by, { operation, projectId: project as ProjectId | null, target })
  }
  return {
    projects: async () => (await showProjects(parts, null)).map(projectWire),
    async createProject(name) {
      const made = projectWire(await addProject(parts, name))
      await noted('admin.projects.create', made.id, made.id)
      return made
    },
    async changeProject(id, change) {
      const changed = projectWire(await changeProject(parts, null, id, change))
      await noted('admin.projects.change', changed.id, changed.id)
      return changed
    },
    async eraseProject(id) {
      const { erasure, there } = await eraseProject(parts, null, id)
      await noted('admin.projects.erase', erasure.projectId, erasure.projectId)
      return erasureWire(erasure, there)
    },
    erasures: async () => (await showErasures(parts)).map(({ erasure, there }) => erasureWire(erasure, there)),
    keys: async (project) => (await showKeys(parts, null, project)).map(keyWire),
    async createKey({ name, access = [{ project: 'default' }], operator = false, limits = {}, expires_at: expires = null }) {
      const order = { name, access, isOperator: operator, limits, expiresAt: expires === null ? null : expires * 1000 }
      const { key, secret } = await addKey(parts, null, order)
      await noted('admin.keys.create', key.projectId, key.id)
      return { ...keyWire(key), key: secret }
    },
    async revokeKey(id) {
      const { projectId } = await withdrawKey(parts, null, id)
      await noted('admin.keys.revoke', projectId, id)
    },
    audit: async ({ project, limit = 100 }) =>
      (await showAudit(parts, null, { ...(project && { project }), limit })).map(auditWire),
    buckets: async () => (await showBuckets(parts, null)).map(grantWire),
  }
}
