import { timingSafeEqual } from 'node:crypto'
import { expiredKey, missingKey, notAllowed, wrongKey } from '../domain/errors.ts'
import type { KeyId, ProjectId } from '../domain/ids.ts'
import type { Key } from '../domain/key.ts'
import type { RateLimits } from '../domain/rate.ts'
import { rightsOf, type Right } from '../domain/rights.ts'
import type { Clock } from '../kit/clock.ts'
import type { Db } from '../store/db.ts'
import { findKeyByHash, noteUse } from '../store/keys.ts'
import { hashKey } from './keys.ts'

/** Who calls, for which project, and what they may do in it. */
export interface Caller {
  readonly keyId: KeyId
  readonly projectId: ProjectId
  readonly rights: ReadonlySet<Right>
  /** How often the key may do things; what is not there is as for all. */
  readonly limits: RateLimits
}

/** What a request says of itself. */
export interface Claim {
  readonly authorization: string | undefined
  /** The project that the path names, by its id. */
  readonly path: string | null
  /** The `OpenAI-Project` header: a project by id or name, which counts when the path names none. One of OpenAI's own (`proj_...`) says nothing here. */
  readonly header: string | undefined
}

const cachedMs = 2000
const cachedAtMost = 10_000
/** How exact `lastUsedAt` is: a row is not written at each call. */
const usedMs = 60_000

interface Known {
  readonly key: Key
  readonly callers: readonly { readonly name: string; readonly caller: Caller }[]
  readonly until: number
}

export interface WhoCallsParts {
  readonly db: Db
  readonly clock: Clock
  /** Whose token something is, where issuers are set; null: it is none. */
  readonly subjectOf?: (token: string) => Promise<Key | null>
}
/** Is told whose key it is, also of one that is not let in: it was revoked, its time is over, or it is for other projects. */
type Seen = (key: Pick<Key, 'id' | 'projectId'>) => void
export type WhoCalls = (claim: Claim, seen: Seen) => Promise<Caller>

const noSubject = async (): Promise<null> => null

/**
 * Tells who calls. A key is looked up by its hash and the hashes are compared in constant time; for two seconds it is remembered, so a revoked key works that much
 * longer at most. What is no key may be the token of an issuer.
 * @throws 401 without a key, with a wrong one or one whose time is over; 403, the same bytes, for a project that is another's or does not exist (D1, D13)
 */
export function makeWhoCalls({ db, clock, subjectOf = noSubject }: WhoCallsParts): WhoCalls {
  const cache = new Map<string, Known>()

  async function known(secret: string, seen: Seen): Promise<Known | null> {
    const hash = hashKey(secret)
    const cached = cache.get(hash)
    if (cached && cached.until > clock.monotonic() && !isOver(cached.key, clock.now())) {
      seen(cached.key)
      return cached
    }
    const key = (await subjectOf(secret)) ?? (await findKeyByHash(db, hash))
    if (cache.size >= cachedAtMost) cache.clear()
    cache.delete(hash)
    if (key) seen(key)
    if (!key || key.revokedAt !== null) return null
    const now = clock.now()
    if (isOver(key, now)) throw expiredKey()
    const found = { key, callers: callersOf(key), until: clock.monotonic() + cachedMs }
    cache.set(hash, found)
    if ((key.lastUsedAt ?? 0) < now - usedMs) void noteUse(db, key.id, now, now - usedMs).catch(() => {})
    return found
  }

  return async ({ authorization, path, header }, seen) => {
    const secret = secretOf(authorization)
    if (secret === null) throw missingKey()
    const found = await known(secret, seen)
    if (!found) throw wrongKey()
    const { key, callers } = found
    const named = path ?? (header === undefined || /^(proj[-_]|$)/.test(header) ? null : header)
    const one = callers.find(({ name, caller }) =>
      named === null
        ? caller.projectId === key.projectId
        : sameText(named, caller.projectId) || (path === null && sameText(named, name)),
    )
    if (!one) throw notAllowed()
    return one.caller
  }
}

const isOver = ({ expiresAt }: Key, now: number): boolean => expiresAt !== null && expiresAt <= now

/** One for each project that the key may use. */
const callersOf = (key: Key): Known['callers'] =>
  key.access.map(({ projectId, projectName, rights }) => ({
    name: projectName,
    caller: {
      keyId: key.id,
      projectId,
      rights: rightsOf(key.isOperator ? [...rights, 'operator'] : rights),
      limits: key.limits,
    },
  }))

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
