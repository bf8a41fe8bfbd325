/** Who comes with a token of an issuer: each subject has a row among the keys, by which it is counted, bounded, written down and revoked like them. */
import { nothingGranted } from '../domain/errors.ts'
import type { KeyId } from '../domain/ids.ts'
import { grantedBy, type Issuer } from '../domain/issuer.ts'
import type { Access, Key } from '../domain/key.ts'
import type { Clock } from '../kit/clock.ts'
import type { Db } from '../store/db.ts'
import { holdSubject } from '../store/keys.ts'
import { findProject } from '../store/projects.ts'
import { hashKey } from './keys.ts'
import { makeTokenCheck, type GoodToken } from './tokens.ts'

export interface SubjectParts {
  readonly db: Db
  readonly clock: Clock
  readonly newUuid: () => string
  readonly fetch: typeof fetch
}

const goodAtMost = 10_000
/** As long as keys of issuers are remembered: a key that they withdrew is good for no token any longer than that. */
const goodMs = 600_000
/** Of a subject in the list of keys. */
const nameAtMost = 200

/** null: it is no token of these issuers. What a token may do is asked of its claims and the settings each time, what is revoked of the database. @throws 401, 403, 503 */
export function makeSubjects(issuers: readonly Issuer[], parts: SubjectParts): (token: string) => Promise<Key | null> {
  const check = makeTokenCheck(issuers, parts)
  const good = new Map<string, { readonly token: GoodToken; readonly until: number }>()

  async function checked(token: string): Promise<GoodToken | null> {
    const hash = hashKey(token)
    const known = good.get(hash)
    if (known && known.until > parts.clock.monotonic() && known.token.expiresAt > parts.clock.now()) return known.token
    good.delete(hash)
    const found = await check(token)
    if (good.size >= goodAtMost) good.clear()
    if (found) good.set(hash, { token: found, until: parts.clock.monotonic() + goodMs })
    return found
  }

  return async (token) => {
    const found = await checked(token)
    return found && keyOf(parts, found)
  }
}

/** NOTE: of another form than the hash of any key: who sends the name of a subject as a key is not that subject. */
const subjectHash = ({ url }: Issuer, subject: string): string => `subject:${hashKey(JSON.stringify([url, subject]))}`

/** @throws 403 when nothing is granted to it */
async function keyOf({ db, clock, newUuid }: SubjectParts, { issuer, subject, claims, expiresAt }: GoodToken): Promise<Key> {
  const { projects, isOperator } = grantedBy(issuer.grants, claims)
  const access: Access[] = []
  for (const [name, rights] of projects) {
    const project = await findProject(db, name)
    if (project && project.erasingAt === null && !access.some(({ projectId }) => projectId === project.id))
      access.push({ projectId: project.id, projectName: project.name, rights })
  }
  const [first] = access
  if (!first) throw nothingGranted()
  const key = await holdSubject(db, {
    id: newUuid() as KeyId,
    projectId: first.projectId,
    name: subject.slice(0, nameAtMost),
    hash: subjectHash(issuer, subject),
    hint: '',
    issuer: issuer.url,
    isOperator,
    access,
    limits: {},
    createdAt: clock.now(),
    expiresAt: null,
  })
  if (!key) throw nothingGranted()
  return { ...key, projectId: first.projectId, access, isOperator, expiresAt }
}
