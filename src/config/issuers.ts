import { isSafeAddress, type Issuer, type IssuerGrant, type IssuerKeys, type Said } from '../domain/issuer.ts'
import { grantable, usualSet } from '../domain/rights.ts'
import { SettingsError } from './error.ts'
import { onlyKnown } from './known.ts'

const issuerKeys = ['url', 'audience', 'keys', 'grants']
const grantKeys = ['where', 'project', 'projectFrom', 'rights', 'rightsFrom', 'operator']

/** @throws {SettingsError} */
export function parseIssuers(entries: readonly Record<string, unknown>[], at: string): Issuer[] {
  const issuers = entries.map((entry) => parseIssuer(entry, at))
  const twice = issuers.find(({ url }, i) => issuers.findIndex((one) => one.url === url) < i)
  if (twice) throw new SettingsError(`${at}: issuer ${twice.url} stands there twice. Put its grants into one.`)
  return issuers
}

/** @throws {SettingsError} */
export function parseIssuer(entry: Record<string, unknown>, at: string): Issuer {
  const { url, audience, keys, grants } = entry
  if (typeof url !== 'string' || !isSafeAddress(url))
    throw new SettingsError(`${at}: an issuer needs its url, which begins with https`)
  const where = `${at}: issuer ${url}`
  onlyKnown(entry, issuerKeys, where)
  const audiences = namesIn(audience)
  if (audiences === null)
    throw new SettingsError(`${where} needs an audience: what its tokens have as "aud" when they are meant for this server`)
  if (!Array.isArray(grants) || grants.length === 0)
    throw new SettingsError(`${where} needs grants: which claims a token must have, and what it may then do`)
  return { url, audiences, keys: keysIn(keys, where), grants: grants.map((grant) => parseGrant(grant, where)) }
}

function keysIn(keys: unknown, where: string): IssuerKeys {
  if (keys === undefined || keys === null) return { kind: 'discovered' }
  if (typeof keys === 'string' && isSafeAddress(keys)) return { kind: 'at', url: keys }
  const set = setIn(keys)
  if (set === null)
    throw new SettingsError(
      `${where}: keys must be the address of its set of keys (https), or { file: path } of one; without it they are found by how the issuer describes itself`,
    )
  return { kind: 'given', set }
}

function setIn(keys: unknown): Extract<IssuerKeys, { kind: 'given' }>['set'] | null {
  if (typeof keys !== 'string') return null
  try {
    const set = JSON.parse(keys) as { keys?: unknown } | null
    return Array.isArray(set?.keys) && set.keys.length > 0 && set.keys.every((key) => typeof key === 'object' && key !== null)
      ? { keys: set.keys as Record<string, unknown>[] }
      : null
  } catch {
    return null
  }
}

function parseGrant(given: unknown, where: string): IssuerGrant {
  if (typeof given !== 'object' || given === null) throw new SettingsError(`${where}: a grant must be settings by name`)
  const grant = given as Record<string, unknown>
  onlyKnown(grant, grantKeys, `${where}: a grant`)
  const claims = grant.where
  if (typeof claims !== 'object' || claims === null || Object.keys(claims).length === 0)
    throw new SettingsError(
      `${where}: a grant needs where, with the claims that a token must have: public issuers give tokens to everybody. { sub: "*" } is all of them.`,
    )
  const patterns = Object.entries(claims).map(([claim, pattern]) => {
    if (!['string', 'number', 'boolean'].includes(typeof pattern))
      throw new SettingsError(`${where}: where: ${claim} must be a text, in which * is any characters`)
    return [claim, String(pattern)] as const
  })
  const projects = said(grant, 'project', `${where}: a grant needs either project or projectFrom, the claim that names it`)
  const rights = said(
    { rights: grant.rightsFrom === undefined ? usualSet : undefined, ...grant },
    'rights',
    `${where}: a grant has either rights or rightsFrom, the claim that names them`,
  )
  const strange = rights.kind === 'these' ? rights.names.find((right) => !grantable.includes(right)) : undefined
  if (strange !== undefined)
    throw new SettingsError(`${where}: there is no right '${strange}'. Rights that can be given: ${grantable.join(', ')}.`)
  const { operator = false } = grant
  if (typeof operator !== 'boolean') throw new SettingsError(`${where}: operator must be true or false`)
  return { where: Object.fromEntries(patterns), projects, rights, isOperator: operator }
}

/** `project: team` or `projectFrom: claim`. */
function said(grant: Record<string, unknown>, name: string, problem: string): Said {
  const [these, claim] = [grant[name], grant[`${name}From`]]
  const names = namesIn(these)
  if (claim === undefined && names !== null) return { kind: 'these', names }
  if (these === undefined && typeof claim === 'string' && claim !== '') return { kind: 'claim', claim }
  throw new SettingsError(problem)
}

function namesIn(value: unknown): readonly string[] | null {
  const names: readonly unknown[] = Array.isArray(value) ? value : [value]
  return names.length > 0 && names.every((name) => typeof name === 'string' && name !== '') ? (names as string[]) : null
}
