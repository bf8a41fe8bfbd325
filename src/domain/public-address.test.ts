import fc from 'fast-check'
import { expect, test } from 'vitest'
import { blockHas, parseBlock, parseIp, reachOf as reachOfIp, type Reach } from './public-address.ts'

const reachOf = (text: string): Reach => reachOfIp(parseIp(text))
const isIpAddress = (text: string): boolean => parseIp(text) !== null

const known: Readonly<Record<Reach, string>> = {
  public: `
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
    169.255.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
    2001:4860:4860::8888 2606:4700::1111 2a00:1450:4001:830::200e 2001:200::1 64:ff9b::8.8.8.8 64:ff9b::808:808
  `,
  private: `
    10.0.0.0 10.255.255.255 100.64.0.1 127.0.0.1 127.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 ::1 0:0:0:0:0:0:0:1
    fc00::1 fd00:ec2::254 FDFF::1
  `,
  special: `
    0.0.0.0 0.1.2.3 169.254.169.254 192.0.0.9 192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.1
    203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 192.31.196.1 192.175.48.1 :: ::ffff:127.0.0.1
    ::ffff:8.8.8.8 ::ffff:7f00:1 ::127.0.0.1 ::8.8.8.8 64:ff9b::10.0.0.1 64:ff9b::7f00:1 64:ff9b:1::8.8.8.8
    64:ff9b:1:ffff::a00:1 100::1 100:0:0:1::1 2001::1 2001:0:7f00:1:: 2001:1::1 2001:2::1 2001:10::1 2001:20::1
    2001:db8::1 2002:7f00:1:: 2002:808:808::1 3fff::1 5f00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 4000::1 e000::1
    ::ffff:0:127.0.0.1 2620:4f:8000::1 localhost 1.1.1 1.1.1.1. 01.1.1.1 0x7f.0.0.1 256.1.1.1 1.1.1.1/8 1:2 ::: ::1::
    1:2:3:4:5:6:7:8:9 2606:4700::1::1 2606:4700:0:0:0:0:0:0:: [2606:4700::1] 2606:4700::g 2606:4700::1.2.3
  `,
}
const words = (text: string): readonly string[] => text.trim().split(/\s+/)
const table = (['public', 'private', 'special'] as const).flatMap((reach) =>
  words(known[reach]).map((address) => [address, reach] as const),
)
test.each([...table, ['', 'special'], [' 1.1.1.1', 'special']] as const)('%s is %s', (address, reach) =>
  expect(reachOf(address)).toBe(reach),
)

/** The registries, in numbers: first and last address. Written down a second time, and in another way, on purpose. */
const closed = words(`
  0.0.0.0-0.255.255.255 10.0.0.0-10.255.255.255 100.64.0.0-100.127.255.255 127.0.0.0-127.255.255.255
  169.254.0.0-169.254.255.255 172.16.0.0-172.31.255.255 192.0.0.0-192.0.0.255 192.0.2.0-192.0.2.255
  192.31.196.0-192.31.196.255 192.52.193.0-192.52.193.255 192.88.99.0-192.88.99.255 192.168.0.0-192.168.255.255
  192.175.48.0-192.175.48.255 198.18.0.0-198.19.255.255 198.51.100.0-198.51.100.255 203.0.113.0-203.0.113.255
  224.0.0.0-255.255.255.255
`).map(
  (range) =>
    range.split('-').map((text) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)) as [number, number],
)
const dotted = (n: number) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.')
const hex = (n: number) => `${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}`
const isClosed = (n: number) => closed.some(([from, to]) => n >= from && n <= to)
const near = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(...closed).chain(([from, to]) => fc.integer({ min: from, max: to })),
  fc
    .constantFrom(...closed.flat())
    .chain((edge) => fc.integer({ min: Math.max(0, edge - 2), max: Math.min(0xffffffff, edge + 2) })),
)

test('an IPv4 address is public exactly if no registry has it', () => {
  fc.assert(
    fc.property(near, (n) => (reachOf(dotted(n)) === 'public') === !isClosed(n)),
    { numRuns: 5000 },
  )
})

test('IPv4 within IPv6 is public only where NAT64 makes it so, and only if it is public itself', () => {
  const wrapped = (n: number) => [
    `::ffff:${dotted(n)}`,
    `::ffff:${hex(n)}`,
    `0:0:0:0:0:FFFF:${dotted(n)}`,
    `::${dotted(n)}`,
    `::ffff:0:${dotted(n)}`,
    `64:ff9b:1::${dotted(n)}`,
    `2002:${hex(n)}::`,
    `2002:${hex(n)}::1`,
    `2001:0:${hex(n)}::1`,
    `2001:0:102:304:0:0:${hex(~n >>> 0)}`, // Teredo has the client's address with its bits turned
  ]
  fc.assert(
    fc.property(near, (n) => {
      expect(wrapped(n).filter((address) => reachOf(address) === 'public')).toEqual([])
      for (const address of [`64:ff9b::${dotted(n)}`, `64:ff9b:0:0::${hex(n)}`])
        expect(reachOf(address) === 'public').toBe(!isClosed(n))
    }),
  )
})

test('however an IPv6 address is written, it leads to the same', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1)
      expect(isIpAddress(address)).toBe(true)
      expect([reachOf(canonical), reachOf(address.toUpperCase())]).toEqual([reachOf(address), reachOf(address)])
      if (!/^[23]/.test(canonical) && !canonical.startsWith('64:ff9b::')) expect(reachOf(address)).not.toBe('public')
    }),
    { numRuns: 2000 },
  )
})

test('no text makes it throw, and what is no address is not public', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:./%]{0,45}$/)), (text) => {
      if (!isIpAddress(text)) expect(reachOf(text)).toBe('special')
    }),
    { numRuns: 2000 },
  )
})

test('a block has the addresses that share its first bits', () => {
  const has = (block: string, address: string) => blockHas(parseBlock(block)!, parseIp(address)!)
  expect([has('10.1.0.0/17', '10.1.127.255'), has('10.1.0.0/17', '10.1.128.0'), has('10.1.2.3', '10.1.2.3')]).toEqual([
    true,
    false,
    true,
  ])
  expect([has('fd00::/9', 'fd7f::1'), has('fd00::/9', 'fd80::1'), has('0.0.0.0/0', '::1'), has('::/0', 'fe80::1')]).toEqual([
    true,
    false,
    false,
    true,
  ])
  expect(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0/8', 'x', '::/129', '::/-1'].map(parseBlock)).toEqual(
    Array(7).fill(null),
  )
})
