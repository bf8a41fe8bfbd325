/**
 * Where an IP address leads. The tables follow IANA's special-purpose registries (RFC 6890: iana-ipv4-special-registry, iana-ipv6-special-registry, both as of
 * October 2024), its multicast registries and RFC 4291. They are stricter in one way: blocks that are globally reachable but serve a protocol (AS112, AMT, relay
 * anycast) are special too. Of IPv6 only 2000::/3 is handed out to anybody, so all the rest is refused without being listed: IPv4 in mapped, compatible and
 * translated form, loopback, link-local, site-local, multicast, discard, SRv6. Whatever cannot be read as an address is special.
 */
export type Reach =
  /** On the internet. */
  | 'public'
  /** Of this machine, or of the network around it: an operator may have a server of his own there. */
  | 'private'
  /** No server that anybody should be sent to: this network, link-local (where clouds tell their secrets), documentation, multicast, ways to wrap IPv4, and so on. */
  | 'special'

/** Its 4 or 16 bytes. */
export type IpAddress = readonly number[]

/** A stretch of addresses: those that share its first `bits`. */
export interface AddressBlock {
  readonly bytes: IpAddress
  readonly bits: number
}

const list = (texts: string): readonly AddressBlock[] => texts.split(' ').flatMap((text) => parseBlock(text) ?? [])

const privateBlocks = list('10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7')
const special4 = list(
  '0.0.0.0/8 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24 198.18.0.0/15 ' +
    '198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4',
)
const global6 = list('2000::/3')
/** Within 2000::/3. 2001::/23 has Teredo, benchmarking, ORCHID and more; 2002::/16 is 6to4, which wraps IPv4 and is no longer routed (RFC 7526). */
const special6 = list('2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20')
/** RFC 6052: where DNS64 puts the IPv4 internet for hosts that have only IPv6. Its local sibling 64:ff9b:1::/48 (RFC 8215) lies outside 2000::/3. */
const nat64 = list('64:ff9b::/96')

export function reachOf(bytes: IpAddress | null): Reach {
  if (bytes === null) return 'special'
  if (isIn(nat64, bytes)) return reach4(bytes.slice(12)) === 'public' ? 'public' : 'special'
  if (isIn(privateBlocks, bytes)) return 'private'
  return bytes.length === 4 ? reach4(bytes) : isIn(global6, bytes) && !isIn(special6, bytes) ? 'public' : 'special'
}

const reach4 = (bytes: IpAddress): Reach =>
  isIn(privateBlocks, bytes) ? 'private' : isIn(special4, bytes) ? 'special' : 'public'

/** `10.0.0.0/8`, `fd00::/8`, or a single address; null: none of these. */
export function parseBlock(text: string): AddressBlock | null {
  const [address = '', length] = text.split('/')
  const bytes = parseIp(address)
  if (bytes === null || text.split('/').length > 2) return null
  if (length === undefined) return { bytes, bits: bytes.length * 8 }
  return /^\d{1,3}$/.test(length) && Number(length) <= bytes.length * 8 ? { bytes, bits: Number(length) } : null
}

export function blockHas({ bytes, bits }: AddressBlock, address: IpAddress): boolean {
  if (bytes.length !== address.length) return false
  for (let i = 0; i * 8 < bits; i++) if (!same(bytes[i] ?? 0, address[i] ?? 0, bits - i * 8)) return false
  return true
}

const isIn = (blocks: readonly AddressBlock[], address: IpAddress): boolean => blocks.some((block) => blockHas(block, address))

/** Do two bytes share their first `bits`? */
const same = (a: number, b: number, bits: number): boolean => (a ^ b) >> Math.max(0, 8 - bits) === 0

/** An address in its usual text forms; null: it is none. NOTE: no octal, hexadecimal or short forms of IPv4 and no zone: a URL parser or DNS gives none. */
export function parseIp(text: string): IpAddress | null {
  return text.includes(':') ? bytes6(text) : bytes4(text)
}

function bytes4(text: string): IpAddress | null {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)
    ? parts.map(Number)
    : null
}

function bytes6(text: string): IpAddress | null {
  const [head = '', tail, ...more] = text.split('::')
  const [before, after] = [groups(head), tail === undefined ? [] : groups(tail)]
  if (more.length > 0 || before === null || after === null) return null
  const gap = 16 - before.length - after.length
  if (tail === undefined ? gap !== 0 : gap < 2) return null
  return [...before, ...Array<number>(gap).fill(0), ...after]
}

/** The bytes of `20:db8`, or of `ffff:10.0.0.1`. */
function groups(text: string): number[] | null {
  const bytes: number[] = []
  const parts = text === '' ? [] : text.split(':')
  for (const [i, part] of parts.entries()) {
    const four = i === parts.length - 1 && part.includes('.') ? bytes4(part) : null
    if (four !== null) bytes.push(...four)
    else if (/^[0-9a-f]{1,4}$/i.test(part)) bytes.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 255)
    else return null
  }
  return bytes
}
