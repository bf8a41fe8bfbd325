/** Projects, keys and grants as the admin API and the commands show them. */
import { dayMs } from './day.ts'
import type { Grant } from './grant.ts'
import type { Key } from './key.ts'
import type { Project } from './project.ts'
import { seconds, secondsOrNull } from './seconds.ts'

export const projectWire = (p: Project) => ({
  id: p.id,
  object: 'project' as const,
  name: p.name,
  is_default: p.isDefault,
  weight: p.weight,
  created_at: seconds(p.createdAt),
  keep_days: p.keepMs === null ? null : p.keepMs / dayMs,
  erasing: p.erasingAt !== null,
})
export type ProjectView = ReturnType<typeof projectWire>

export const keyWire = (k: Key) => ({
  id: k.id,
  object: 'key' as const,
  name: k.name,
  hint: k.hint,
  issuer: k.issuer,
  operator: k.isOperator,
  access: k.access
    .toSorted((a, b) => Number(b.projectId === k.projectId) - Number(a.projectId === k.projectId))
    .map(({ projectId, projectName, rights }) => ({ project: projectId, project_name: projectName, rights: [...rights] })),
  limits: k.limits,
  created_at: seconds(k.createdAt),
  expires_at: secondsOrNull(k.expiresAt),
  last_used_at: secondsOrNull(k.lastUsedAt),
  revoked_at: secondsOrNull(k.revokedAt),
})
export type KeyView = ReturnType<typeof keyWire>

/** Where a bucket lies, without what opens it. */
export const grantWire = ({ projectId, bucket, place, source }: Grant & { readonly source: string }) => ({
  object: 'bucket' as const,
  bucket,
  project: projectId as string,
  source,
  place: place.kind === 'folder' ? place.folder : place.endpoint,
})
export type GrantView = ReturnType<typeof grantWire>
