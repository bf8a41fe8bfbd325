/** What a key may do in a project. One table for all doors: each operation names the rights that it needs. */
export const rights = [
  'batches:read',
  'batches:write',
  'files:read',
  'files:write',
  'results:read',
  'objects:read',
  'objects:write',
  'usage:read',
  'project:admin',
  'operator',
] as const
export type Right = (typeof rights)[number]

const ofData: readonly Right[] = rights.filter((right) => right !== 'project:admin' && right !== 'operator')
const ofModels: readonly Right[] = ['batches:read', 'batches:write', 'files:read', 'files:write', 'results:read']

/** The set of a key that was given no other: all that can be done with batches, files, objects and usage. */
export const usualSet = 'AllProductsFullAccess'

/** Scaleway's permission sets by their names (contract 2.5): a batch needs the model right and, for objects, the storage rights. */
export const permissionSets: Readonly<Record<string, readonly Right[]>> = {
  GenerativeApisFullAccess: [...ofModels, 'usage:read'],
  GenerativeApisModelAccess: ofModels,
  ObjectStorageObjectsRead: ['objects:read'],
  ObjectStorageObjectsWrite: ['objects:write'],
  [usualSet]: ofData,
}

/** What may be given to a key for one project. `operator` is for the whole server, and given apart. */
export const grantable: readonly string[] = [...rights.filter((right) => right !== 'operator'), ...Object.keys(permissionSets)]

/** What the names of rights and sets come to. Who operates the server administers each project; neither reads its data. Unknown names give nothing: they may be of a newer program. */
export function rightsOf(names: Iterable<string>): ReadonlySet<Right> {
  const found = new Set<Right>()
  for (const name of names) {
    const set = Object.hasOwn(permissionSets, name) ? permissionSets[name] : rights.filter((right) => right === name)
    for (const right of set ?? []) found.add(right)
  }
  if (found.has('operator')) found.add('project:admin')
  return found
}

/** Each operation of the API, and the rights that it needs, all of them. */
export const operations = {
  'batches.create': ['batches:write'],
  'batches.list': ['batches:read'],
  'batches.get': ['batches:read'],
  'batches.cancel': ['batches:write'],
  'batches.retry': ['batches:write'],
  'results.read': ['results:read'],
  'files.upload': ['files:write'],
  'files.list': ['files:read'],
  'files.get': ['files:read'],
  'files.delete': ['files:write'],
  /** By what it is the content of: `contentNeeds`. */
  'files.content': [],
  'models.list': [],
  'models.get': [],
  'usage.read': ['usage:read'],
  'quotas.read': ['usage:read'],
  'webhooks.list': ['project:admin'],
  'webhooks.create': ['project:admin'],
  'webhooks.get': ['project:admin'],
  'webhooks.delete': ['project:admin'],
  'webhooks.rotate': ['project:admin'],
  'webhooks.enable': ['project:admin'],
  'webhooks.test': ['project:admin'],
  'webhooks.deliveries': ['project:admin'],
  'webhooks.replay': ['project:admin'],
  'admin.projects.list': ['project:admin'],
  'admin.projects.get': ['project:admin'],
  'admin.projects.create': ['operator'],
  'admin.projects.change': ['project:admin'],
  'admin.projects.erase': ['operator'],
  'admin.erasures.list': ['operator'],
  'admin.keys.list': ['project:admin'],
  'admin.keys.create': ['project:admin'],
  'admin.keys.revoke': ['project:admin'],
  'admin.usage.read': ['operator'],
  'admin.quotas.list': ['project:admin'],
  'admin.quotas.set': ['operator'],
  'admin.quotas.delete': ['operator'],
  'admin.buckets.list': ['project:admin'],
  'admin.audit.list': ['project:admin'],
} as const satisfies Record<string, readonly Right[]>
export type Operation = keyof typeof operations

/** What a batch is made from: its input is read, and objects are written beside an object; lines of audio, and of images where they are inlined, name files and objects that are read for them. */
export function inputNeeds({ isObject, readsForLines }: { isObject: boolean; readsForLines: boolean }): readonly Right[] {
  const ofInput: readonly Right[] = isObject ? ['objects:read', 'objects:write'] : ['files:read']
  return readsForLines ? [...new Set<Right>([...ofInput, 'files:read', 'objects:read'])] : ofInput
}

/** An object, the results of a batch in a file, or what was uploaded. */
export type ContentKind = 'object' | 'results' | 'upload'
const contentRights: Readonly<Record<ContentKind, Right>> = {
  object: 'objects:read',
  results: 'results:read',
  upload: 'files:read',
}
export const contentNeeds = (kind: ContentKind): Right => contentRights[kind]

/** The first right that is missing; null: it may be done. */
export const missingRight = (has: ReadonlySet<Right>, needs: readonly Right[]): Right | null =>
  needs.find((right) => !has.has(right)) ?? null
