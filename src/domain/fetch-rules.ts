/**
 * Which addresses the server fetches for a caller. An address is checked as the URL parser that also opens it understands it, so that there are no two readings;
 * what such a parser would tidy up without a word (white space, backslashes, missing slashes) is refused before.
 *
 * The operator's rules: `denyHosts` is the last word, but for a lone `*`, which denies whatever is not allowed. A host in `allowHosts` may lead into a private
 * network; ranges are held against the addresses that a name leads to.
 */
import { FetchError, invalidAddress, notAllowed, notPublic } from './fetch-error.ts'
import { fits, hostOf, urlOf, type HostPattern } from './host-pattern.ts'
import { blockHas, parseIp, reachOf } from './public-address.ts'

export interface FetchRules {
  readonly allowHosts: readonly HostPattern[]
  readonly denyHosts: readonly HostPattern[]
  readonly allowPorts: readonly number[]
}

export const publicOnly: FetchRules = { allowHosts: [], denyHosts: [], allowPorts: [80, 443] }

/** An address that may be opened, as far as can be told without looking up its name. */
export interface Target {
  readonly secure: boolean
  /** In ASCII and lower case, without brackets and a final dot. */
  readonly host: string
  readonly port: number
  /** With the query, without the fragment. */
  readonly path: string
  /** Scheme, host and port: what messages may name. */
  readonly origin: string
  /** Allowed by the operator by name: it may lead into a private network. */
  readonly granted: boolean
}

/** Longer ones are no addresses: few servers take more in a request's first line. */
const maxLength = 8192

/** Throws a `FetchError` that says what is wrong. */
export function checkAddress(text: string, rules: FetchRules): Target {
  if (text.length > maxLength) throw invalidAddress(`it has more than ${maxLength} characters`)
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f\\]/.test(text)) throw invalidAddress('it has a space, a line break or a backslash in it')
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) throw invalidAddress('it does not begin with https://')
  if (scheme !== 'http' && scheme !== 'https') throw notAllowed('The address', 'only http:// and https:// addresses are')
  const authority = /^https?:\/\/([^/?#]+)/i.exec(text)?.[1]
  const url = authority === undefined ? null : urlOf(text)
  if (authority === undefined || url === null) throw invalidAddress('it has no valid host')
  if (authority.includes('@')) throw notAllowed('The address', 'there is a user name or password in it. Give it without')
  return checkUrl(url, rules)
}

function checkUrl(url: URL, rules: FetchRules): Target {
  const secure = url.protocol === 'https:'
  const host = hostOf(url)
  if (host === null) throw invalidAddress('it has no valid host')
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  const written = host.includes(':') ? `[${host}]` : host
  const origin = `${secure ? 'https' : 'http'}://${written}${url.port === '' ? '' : `:${url.port}`}`
  if (!rules.allowPorts.includes(port)) throw notAllowed(origin, `port ${port} is not allowed. Ask the operator to allow it`)
  const ip = parseIp(host)
  const granted = rules.allowHosts.some((pattern) => fits(pattern, host, ip))
  const denied = rules.denyHosts.some((pattern) => (pattern.kind === 'any' ? !granted : fits(pattern, host, ip)))
  if (denied) throw notAllowed(origin, 'this host is not allowed. Ask the operator to allow it')
  const target = { secure, host, port, path: url.pathname + url.search, origin, granted }
  if (ip) checkResolved(target, [host], rules)
  else if (!granted && !isPublicName(host)) throw notPublic(origin)
  return target
}

/** Refuses all if one of the addresses that a name leads to may not be connected to: of such a name nothing good is to be expected. */
export function checkResolved(target: Target, addresses: readonly string[], rules: FetchRules): void {
  for (const address of addresses) {
    const ip = parseIp(address)
    const reach = reachOf(ip)
    const held = (patterns: readonly HostPattern[]) =>
      ip !== null && patterns.some((pattern) => pattern.kind === 'block' && blockHas(pattern.block, ip))
    const allowed = reach === 'public' || (target.granted && reach === 'private') || held(rules.allowHosts)
    if (!allowed || held(rules.denyHosts)) throw notPublic(target.origin)
  }
}

/** A redirect leads to an address like any other, but never from https to http. NOTE: where it leads is not told: an internal host may have said it. */
export function checkRedirect(from: Target, location: string, rules: FetchRules): Target {
  const url = urlOf(location, from.origin + from.path)
  if (from.secure && url?.protocol === 'http:') throw notAllowed(from.origin, 'it redirects from https to http')
  try {
    return checkAddress(url?.href ?? '', rules)
  } catch (error) {
    if (!(error instanceof FetchError)) throw error
    throw notAllowed(from.origin, 'it redirects to an address that is not allowed')
  }
}

/** Names of one label, and those that never are on the internet (IANA's special-use domain names), are not even looked up. */
const localNames = /(^|\.)(localhost|local|internal|home\.arpa|onion|alt|test|invalid)$/
const isPublicName = (host: string): boolean => host.includes('.') && !localNames.test(host)
