import { blockHas, parseBlock, parseIp, type AddressBlock, type IpAddress } from './public-address.ts'

/** Which hosts an operator means. */
export type HostPattern =
  | { readonly kind: 'any' }
  /** `below`: not the name itself but the names under it (`*.example.com`). */
  | { readonly kind: 'name'; readonly name: string; readonly below: boolean }
  | { readonly kind: 'block'; readonly block: AddressBlock }

/** `example.com`, `*.example.com`, `10.0.0.7`, `10.0.0.0/8`, `*`; null: none of these. */
export function parseHostPattern(text: string): HostPattern | null {
  if (text === '*') return { kind: 'any' }
  const block = parseBlock(text.replace(/^\[(.*)\]$/, '$1'))
  if (block) return { kind: 'block', block }
  const below = text.startsWith('*.')
  const url = urlOf(`http://${below ? text.slice(2) : text}`)
  const name = url && hostOf(url)
  if (!name || parseIp(name) !== null || /[/?#@:*\\\s]/.test(text.slice(below ? 2 : 0))) return null
  return { kind: 'name', name, below }
}

/** Is a host one of those? `ip`: it is an address and no name. What all hosts are is for the rules to say. */
export function fits(pattern: HostPattern, host: string, ip: IpAddress | null): boolean {
  switch (pattern.kind) {
    case 'any':
      return false
    case 'block':
      return ip !== null && blockHas(pattern.block, ip)
    case 'name':
      return pattern.below ? host.endsWith(pattern.name) && host.at(-pattern.name.length - 1) === '.' : host === pattern.name
  }
}

/** A host as it is compared: in ASCII and lower case, without brackets and final dots; null: it is none. */
export function hostOf(url: URL): string | null {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.+$/, '')
  return host === '' || host.startsWith('.') || host.includes('..') ? null : host
}

export const urlOf = (text: string, base?: string): URL | null => (URL.canParse(text, base) ? new URL(text, base) : null)
