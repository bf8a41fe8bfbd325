/** Workloads and people that come with a token of an issuer (OpenID Connect) in the place of a key: whose tokens count, and what they may do. */
import { grantable } from './rights.ts'
import { fitsStars } from './star-pattern.ts'

export interface Issuer {
  /** The `iss` of its tokens, and where it describes itself. */
  readonly url: string
  /** One of these must stand in `aud`. */
  readonly audiences: readonly string[]
  readonly keys: IssuerKeys
  /** Each that fits counts. */
  readonly grants: readonly IssuerGrant[]
}

/** Where the keys are that its tokens are signed with: a set of them (RFC 7517). */
export type IssuerKeys =
  | { readonly kind: 'discovered' }
  | { readonly kind: 'at'; readonly url: string }
  | { readonly kind: 'given'; readonly set: { readonly keys: readonly Readonly<Record<string, unknown>>[] } }

export interface IssuerGrant {
  /** Patterns by the names of claims, where `*` is any characters: a token must fit all of them. */
  readonly where: Readonly<Record<string, string>>
  /** By id or name. */
  readonly projects: Said
  readonly rights: Said
  readonly isOperator: boolean
}

/** These names, or those that a claim has. */
export type Said =
  { readonly kind: 'these'; readonly names: readonly string[] } | { readonly kind: 'claim'; readonly claim: string }

export type Claims = Readonly<Record<string, unknown>>

/** What a token may do: the first project is for requests that name none. */
export interface Granted {
  readonly projects: ReadonlyMap<string, readonly string[]>
  readonly isOperator: boolean
}

/** On the way to keys nobody may stand: without TLS only on this machine. */
export function isSafeAddress(text: string): boolean {
  const { protocol, hostname, username, password } = URL.canParse(text) ? new URL(text) : new URL('none:')
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
}

/** A token that names more is told of no others. */
export const projectsOfTokenAtMost = 100

export function grantedBy(grants: readonly IssuerGrant[], claims: Claims): Granted {
  const projects = new Map<string, readonly string[]>()
  let isOperator = false
  for (const grant of grants) {
    if (!Object.entries(grant.where).every(([claim, pattern]) => texts(claims, claim).some((text) => fitsStars(pattern, text))))
      continue
    const rights = namesOf(grant.rights, claims)
      .flatMap((text) => text.split(/\s+/))
      .filter((right) => grantable.includes(right))
    const named = rights.length > 0 ? namesOf(grant.projects, claims) : []
    for (const project of named)
      if (projects.has(project) || projects.size < projectsOfTokenAtMost)
        projects.set(project, [...new Set([...(projects.get(project) ?? []), ...rights])])
    isOperator ||= grant.isOperator && named.length > 0
  }
  return { projects, isOperator }
}

const namesOf = (said: Said, claims: Claims): readonly string[] =>
  said.kind === 'these' ? said.names : texts(claims, said.claim)

/** The values of a claim, each as text: of one whose name is that, else of one within others (`kubernetes.io.namespace`, where `kubernetes.io` has `namespace`). */
function texts(claims: Claims, name: string): readonly string[] {
  const value = valueAt(claims, name)
  return (Array.isArray(value) ? value : [value]).flatMap((one) =>
    typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean' ? [String(one)] : [],
  )
}

function valueAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const [outer, rest] = [name.slice(0, dot), name.slice(dot + 1)]
    const inner = Object.hasOwn(claims, outer) ? claims[outer] : null
    const found = typeof inner === 'object' && inner !== null ? valueAt(inner as Claims, rest) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
