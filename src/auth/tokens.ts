/** Tokens of issuers (JWT, RFC 7519): whose it is, that it was signed by them, for this server, and holds now. */
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose'
import { issuerAway, wrongToken } from '../domain/errors.ts'
import { isSafeAddress, type Issuer } from '../domain/issuer.ts'
import type { Clock } from '../kit/clock.ts'

export interface GoodToken {
  readonly issuer: Issuer
  readonly subject: string
  readonly claims: JWTPayload
  /** Milliseconds since 1970; clocks may be half a minute apart. */
  readonly expiresAt: number
}

export interface TokenParts {
  readonly clock: Clock
  readonly fetch: typeof fetch
}

/** Only such as prove more than that somebody knows what the server knows too. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const clockToleranceS = 30
const fetchMs = 5000
/** An issuer that cannot be reached is not asked again for so long, whoever comes with tokens that name it. */
const coolMs = 5000

/** null: it is no token of these issuers. @throws 401 that says what is wrong with it; 503 when its issuer cannot be reached */
export function makeTokenCheck(issuers: readonly Issuer[], parts: TokenParts): (token: string) => Promise<GoodToken | null> {
  const keysOf = new Map(issuers.map((issuer) => [issuer.url, keysOfIssuer(issuer, parts)]))
  return async (token) => {
    const named = issuerIn(token)
    const issuer = issuers.find(({ url }) => url === named)
    const keys = issuer && keysOf.get(issuer.url)
    if (!issuer || !keys) return null
    try {
      const claims = await verified(token, issuer, keys, parts.clock)
      const { sub, exp = 0 } = claims
      if (!isSubject(sub))
        throw wrongToken("its claim 'sub' is no name: expected 1 to 1000 characters, none of them a control character")
      return { issuer, subject: sub, claims, expiresAt: (exp + clockToleranceS) * 1000 }
    } catch (error) {
      throw error instanceof errors.JOSEError
        ? refusal(error, issuer)
        : isOfKey(error)
          ? wrongToken('the key of its issuer cannot be used')
          : error
    }
  }
}

/** A key of the set that cannot be imported, or is too short: `jose` passes on what the platform says of it. */
const isOfKey = (error: unknown): boolean => error instanceof TypeError || error instanceof DOMException

const isSubject = (sub: unknown): sub is string => typeof sub === 'string' && /^\P{Cc}{1,1000}$/u.test(sub)

function issuerIn(token: string): string | null {
  try {
    return decodeJwt(token).iss ?? null
  } catch {
    return null
  }
}

async function verified(token: string, { url, audiences }: Issuer, keys: JWTVerifyGetKey, clock: Clock): Promise<JWTPayload> {
  const wanted = {
    issuer: url,
    audience: [...audiences],
    algorithms,
    clockTolerance: clockToleranceS,
    currentDate: new Date(clock.now()),
    requiredClaims: ['exp', 'sub'],
  }
  try {
    return (await jwtVerify(token, keys, wanted)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error)
      try {
        return (await jwtVerify(token, key, wanted)).payload
      } catch (other) {
        if (!(other instanceof errors.JWSSignatureVerificationFailed)) throw other
      }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

function refusal(error: errors.JOSEError, { url }: Issuer): Error {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return issuerAway(url)
  if (error instanceof errors.JWTExpired) return wrongToken('it has expired: get a new one')
  if (!(error instanceof errors.JWTClaimValidationFailed)) return wrongToken('it was not signed by its issuer')
  const { claim, reason } = error
  if (claim === 'aud') return wrongToken("it is meant for another server: its claim 'aud' is not what this one is configured for")
  if (claim === 'nbf') return wrongToken('it is not valid yet')
  return wrongToken(`its claim '${claim}' is ${reason === 'missing' ? 'missing' : 'not as it must be'}`)
}

/** @throws when its keys cannot be read now */
export async function readKeys(issuer: Issuer, parts: TokenParts): Promise<void> {
  if (issuer.keys.kind !== 'given') await (await remoteKeys(issuer, patientAsk(issuer.url, parts))).reload()
}

/** Keys are remembered for ten minutes, and asked for anew, every half minute at most, when a token names one that is not known. */
function keysOfIssuer(issuer: Issuer, parts: TokenParts): JWTVerifyGetKey {
  const { keys } = issuer
  if (keys.kind === 'given') return createLocalJWKSet({ keys: keys.set.keys.map((key) => ({ kty: '', ...key })) })
  const ask = patientAsk(issuer.url, parts)
  let found: Promise<JWTVerifyGetKey> | null = null
  return async (head, token) => {
    found ??= remoteKeys(issuer, ask)
    const get = await found.catch((error: unknown) => {
      found = null
      throw error
    })
    return get(head, token)
  }
}

async function remoteKeys({ url, keys }: Issuer, ask: Ask) {
  const at = keys.kind === 'at' ? keys.url : await discover(url, ask)
  const askKeys = async (to: string) => new Response(await ask(to, (set) => Array.isArray(set.keys)))
  return createRemoteJWKSet(new URL(at), { timeoutDuration: 2 * fetchMs, [customFetch]: askKeys })
}

/** Asks for a document that is JSON as it should be. @throws 503 */
type Ask = (to: string, isGood: (document: Readonly<Record<string, unknown>>) => boolean) => Promise<string>

/** Where an issuer says that its keys are (OpenID Connect Discovery 1.0, section 4). @throws 503 */
async function discover(url: string, ask: Ask): Promise<string> {
  const text = await ask(
    `${url.replace(/\/$/, '')}/.well-known/openid-configuration`,
    ({ issuer, jwks_uri: at }) => issuer === url && typeof at === 'string' && isSafeAddress(at),
  )
  return (JSON.parse(text) as { readonly jwks_uri: string }).jwks_uri
}

function patientAsk(url: string, { clock, fetch }: TokenParts): Ask {
  let coolUntil = -Infinity
  return async (to, isGood) => {
    if (clock.monotonic() < coolUntil) throw issuerAway(url)
    try {
      const answer = await fetch(to, { redirect: 'manual', signal: AbortSignal.timeout(fetchMs) })
      const text = await answer.text()
      const document = JSON.parse(text) as Record<string, unknown> | null
      if (answer.status === 200 && document !== null && isGood(document)) return text
    } catch {
      // NOTE: told below: whether it cannot be reached or answers nonsense, its keys are not to be had
    }
    coolUntil = clock.monotonic() + coolMs
    throw issuerAway(url)
  }
}
