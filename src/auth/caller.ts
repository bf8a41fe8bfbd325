import { timingSafeEqual } from 'node:crypto'
import { missingKey, notAllowed, wrongKey } from '../domain/errors.ts'
import type { KeyId, ProjectId } from '../domain/ids.ts'
import type { Clock } from '../kit/clock.ts'
import type { Db } from '../store/db.ts'
import { findKeyByHash, type Key } from '../store/keys.ts'
import { hashKey } from './keys.ts'

/** Who calls, and for which project. */
export interface Caller {
  readonly keyId: KeyId
  readonly projectId: ProjectId
}

const cachedMs = 2000
const cachedAtMost = 10_000

/**
 * Tells who calls from the `Authorization` header and the project that the path names, if it names one. A key is looked up by its hash and the hashes are compared in
 * constant time; for two seconds it is remembered, so a revoked key works that much longer at most.
 * @throws 401 without a key or with a wrong one; 403, the same bytes, for a project that is another's or does not exist (D1, D13)
 */
export function makeWhoCalls({
  db,
  clock,
}: {
  db: Db
  clock: Clock
}): (authorization: string | undefined, projectId: string | null) => Promise<Caller> {
  const cache = new Map<string, { readonly key: Key; readonly until: number }>()

  async function keyOf(hash: string): Promise<Key | null> {
    const cached = cache.get(hash)
    if (cached && cached.until > clock.monotonic()) return cached.key
    const key = await findKeyByHash(db, hash)
    if (cache.size >= cachedAtMost) cache.clear()
    if (key && key.revokedAt === null) cache.set(hash, { key, until: clock.monotonic() + cachedMs })
    else cache.delete(hash)
    return key
  }

  return async (authorization, projectId) => {
    const secret = secretOf(authorization)
    if (secret === null) throw missingKey()
    const key = await keyOf(hashKey(secret))
    if (!key || key.revokedAt !== null) throw wrongKey()
    if (projectId !== null && !sameText(projectId, key.projectId)) throw notAllowed()
    return { keyId: key.id, projectId: key.projectId }
  }
}

/** `Bearer {key}`, or basic authentication with the key as password. */
function secretOf(authorization: string | undefined): string | null {
  const [, scheme = '', rest = ''] = /^(\w+)\s+(\S+)\s*$/.exec(authorization ?? '') ?? []
  if (/^bearer$/i.test(scheme)) return rest
  if (!/^basic$/i.test(scheme)) return null
  const [, password] = /^[^:]*:(.+)$/s.exec(Buffer.from(rest, 'base64').toString('utf8')) ?? []
  return password ?? null
}

function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length === y.length && timingSafeEqual(x, y)
}
