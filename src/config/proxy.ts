import { fits, hostOf, parseHostPattern, urlOf } from '../domain/host-pattern.ts'
import { blockHas, parseBlock, parseIp } from '../domain/public-address.ts'
import { SettingsError } from './error.ts'
import type { Env } from './file.ts'

/**
 * The proxy through which a backend is called, as the environment says: `HTTPS_PROXY` or `HTTP_PROXY` by the backend's own scheme, unless `NO_PROXY` names its
 * host. The small forms count before the capital ones, and an empty one is none. null: it is called directly, as a backend on this machine always is.
 * @throws {SettingsError}
 */
export function proxyFor(backend: string, env: Env): string | null {
  const url = new URL(backend)
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const given = valueOf(env, name).trim()
  if (given === '' || isLoopback(url) || listed(url, valueOf(env, 'NO_PROXY'))) return null
  const proxy = urlOf(given.includes('://') ? given : `http://${given}`)
  if (!proxy || !/^https?:$/.test(proxy.protocol) || proxy.pathname !== '/')
    throw new SettingsError(`${name}: not the address of a proxy. Give one such as http://proxy.internal:3128, or leave it out.`) // NOTE: not shown: it may hold a password
  return proxy.href
}

const valueOf = (env: Env, name: string): string => env[name.toLowerCase()] ?? env[name] ?? ''

const loopbacks = ['127.0.0.0/8', '::1'].map(parseBlock)

function isLoopback(url: URL): boolean {
  const host = hostOf(url) ?? ''
  const ip = parseIp(host)
  if (ip) return loopbacks.some((block) => block !== null && blockHas(block, ip))
  return host === 'localhost' || host.endsWith('.localhost')
}

const usualPorts: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/** Entries are `*`, names (which stand for what is below them too), addresses and ranges, with a port or for all. */
function listed(url: URL, noProxy: string): boolean {
  const host = hostOf(url) ?? ''
  const port = url.port || usualPorts[url.protocol]
  return noProxy.split(/[\s,]+/).some((entry) => {
    if (entry === '*') return true
    const [, bracketed, plain, only] = /^(?:\[(.*)\]|(.*?))(?::(\d+))?$/.exec(parseBlock(entry) ? `[${entry}]` : entry) ?? []
    const pattern = parseHostPattern((bracketed ?? plain ?? '').replace(/^\*?\./, ''))
    if (!pattern || (only !== undefined && only !== port)) return false
    return fits(pattern, host, parseIp(host)) || (pattern.kind === 'name' && fits({ ...pattern, below: true }, host, null))
  })
}
