import { expect, test } from 'vitest'
import { webServer } from '../../../test/support/web-server.ts'
import { FetchError } from '../../domain/fetch-error.ts'
import { publicOnly } from '../../domain/fetch-rules.ts'
import { parseHostPattern } from '../../domain/host-pattern.ts'
import { systemDial } from './dial.ts'
import { defaultLimits } from './content.ts'
import { fetchGuarded } from './guarded.ts'

/** What names lead to in these tests; all others to nothing. */
const names: Readonly<Record<string, readonly string[]>> = {
  'loopback.example.com': ['127.0.0.1'],
  'loopback6.example.com': ['::1'],
  'zero.example.com': ['0.0.0.0'],
  'metadata.example.com': ['169.254.169.254'],
  'lan.example.com': ['192.168.1.1'],
  'mixed.example.com': ['93.184.215.14', '127.0.0.1'],
  'mixed6.example.com': ['93.184.215.14', '2606:4700::1111', 'fe80::1'],
  'mapped.example.com': ['::ffff:127.0.0.1'],
  'nat64.example.com': ['64:ff9b::7f00:1'],
  'sixtofour.example.com': ['2002:7f00:1::'],
  'zone.example.com': ['fe80::1%lo'],
  'odd.example.com': ['0177.0.0.1'],
  'wildcard.example.com': ['127.0.0.1', '127.0.0.2'],
}

/** `PORT` is one that is allowed, and at which this machine listens on 127.0.0.1 and ::1. */
const notAllowed = [
  'http://127.0.0.1:PORT/',
  'http://127.0.0.1:PORT@127.0.0.1:PORT/',
  'http://127.1:PORT/',
  'http://127.0.1:PORT/',
  'http://2130706433:PORT/',
  'http://0x7f000001:PORT/',
  'http://0x7f.0x0.0x0.0x1:PORT/',
  'http://0177.0.0.1:PORT/',
  'http://017700000001:PORT/',
  'http://0177.0.0.0x1:PORT/',
  'http://127.0.0.1.:PORT/',
  'http://127.255.255.254:PORT/',
  'http://%31%32%37.0.0.1:PORT/',
  'http://１２７.０.０.１:PORT/',
  'http://127。0。0。1:PORT/',
  'http://①②⑦.0.0.1:PORT/',
  'http://0:PORT/',
  'http://0.0.0.0:PORT/',
  'http://0x0:PORT/',
  'http://[::1]:PORT/',
  'http://[0:0:0:0:0:0:0:1]:PORT/',
  'http://[::]:PORT/',
  'http://[::ffff:127.0.0.1]:PORT/',
  'http://[::ffff:7f00:1]:PORT/',
  'http://[0:0:0:0:0:FFFF:7F00:0001]:PORT/',
  'http://[::127.0.0.1]:PORT/',
  'http://[64:ff9b::127.0.0.1]:PORT/',
  'http://[64:ff9b:1::7f00:1]:PORT/',
  'http://[2002:7f00:1::]:PORT/',
  'http://[2001:0:7f00:1::]:PORT/',
  'http://[fe80::1]:PORT/',
  'http://[fd00:ec2::254]/latest/meta-data',
  'http://[ff02::1]:PORT/',
  'http://localhost:PORT/',
  'http://LOCALHOST:PORT/',
  'http://localhost.:PORT/',
  'http://localhost..:PORT/',
  'http://loc%61lhost:PORT/',
  'http://ⓛocalhost:PORT/',
  'http://a.localhost:PORT/',
  'http://localhost.localdomain:PORT/'.replace('localdomain', 'local'),
  'http://redis:PORT/',
  'http://kubernetes.default.svc.cluster.local:PORT/',
  'http://metadata.google.internal/computeMetadata/v1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://2852039166/latest/meta-data/',
  'http://[::ffff:a9fe:a9fe]/latest/meta-data/',
  'http://100.100.100.200/latest/meta-data/',
  'http://192.0.0.192/opc/v1/',
  'http://10.0.0.1/',
  'http://172.16.0.1/',
  'http://192.168.0.1/',
  'http://100.64.0.1/',
  'http://198.18.0.1/',
  'http://224.0.0.1/',
  'http://255.255.255.255/',
  ...Object.keys(names).map((name) => `http://${name}:PORT/`),
  'http://LOOPBACK.example.com.:PORT/',
  'https://loopback.example.com:PORT/',
  'http://user@127.0.0.1:PORT/',
  'http://user:pw@example.com/',
  'http://example.com@127.0.0.1:PORT/',
  'http://127.0.0.1:PORT%40example.com@127.0.0.1/',
  'http://:@127.0.0.1:PORT/',
  'http://@127.0.0.1:PORT/',
  'http://example.com:22/',
  'http://example.com:6379/',
  'http://93.184.215.14:0/',
  'ftp://127.0.0.1:PORT/',
  'gopher://127.0.0.1:PORT/_GET',
  'file:///etc/passwd',
  'file://127.0.0.1:PORT/etc/passwd',
  'javascript:fetch("http://127.0.0.1:PORT")'.replace(' ', ''),
  'data:text/plain,x',
  'blob:http://127.0.0.1:PORT/x',
  'ws://127.0.0.1:PORT/',
  'unix:/var/run/docker.sock',
  'dict://127.0.0.1:PORT/',
]
const invalid = [
  '',
  '127.0.0.1:PORT',
  '//127.0.0.1:PORT/',
  'http:127.0.0.1:PORT/',
  'http:/127.0.0.1:PORT/',
  'http:///127.0.0.1:PORT/',
  'http:////127.0.0.1:PORT/',
  'http:\\\\127.0.0.1:PORT\\',
  'http://example.com\\@127.0.0.1:PORT/',
  'http://example.com /',
  ' http://127.0.0.1:PORT/',
  'ht\ntp://127.0.0.1:PORT/',
  'http://127.0.0.1:PORT/\r\nX-A: b',
  'http://127.0.\t0.1:PORT/',
  'http://127.0.0.1:PORT/\u0000',
  'http://',
  'http://?',
  'http://:PORT/',
  'http://.:PORT/',
  'http://127.0.0.1:PORTPORT/',
  'http://127.0.0.256:PORT/',
  'http://[::1:PORT/',
  'http://[fe80::1%25lo]:PORT/',
  'http://[::1]PORT/',
  'http://a..example.com:PORT/',
  'http://exa%00mple.com:PORT/',
  'http://example.com＠127.0.0.1:PORT/',
  `http://example.com/${'a'.repeat(8192)}`,
]

test('not one connection leaves for a hostile address', async () => {
  await using four = await webServer((_, response) => response.end('secret'))
  const six = await webServer((_, response) => response.end('secret'), '::1').catch(() => null)
  const rules = { ...publicOnly, allowPorts: [80, 443, four.port, ...(six ? [six.port] : [])] }
  const seen = { dialled: 0, looked: [] as string[] }
  const run = async (address: string, under = rules) => {
    try {
      const fetched = await fetchGuarded(address, {
        rules: under,
        limits: defaultLimits,
        signal: new AbortController().signal,
        resolve: async (host) => {
          seen.looked.push(host)
          return names[host] ?? []
        },
        dial: (place, signal) => {
          seen.dialled++
          return systemDial(place, signal)
        },
      })
      fetched.close()
      return 'fetched'
    } catch (error) {
      if (error instanceof FetchError) return error.code
      throw error
    }
  }
  const ports = [four.port, ...(six ? [six.port] : [])]
  const wrong: string[] = []
  for (const [code, addresses] of [
    ['url_not_allowed', notAllowed],
    ['url_invalid', invalid],
  ] as const)
    for (const address of addresses)
      for (const port of ports) {
        const came = await run(address.replaceAll('PORT', String(port)))
        if (came !== code) wrong.push(`${address}: ${came}`)
      }
  expect(wrong).toEqual([])
  expect(seen.dialled).toBe(0)
  expect(four.connections + (six?.connections ?? 0)).toBe(0)
  expect(new Set(seen.looked)).toEqual(new Set(Object.keys(names)))
  expect(new Set([...notAllowed, ...invalid]).size).toBeGreaterThanOrEqual(100)

  // and the listener is there: what an operator allows reaches it
  const loopback = parseHostPattern('127.0.0.0/8')
  expect(await run(`http://127.0.0.1:${four.port}/`, { ...rules, allowHosts: loopback ? [loopback] : [] })).toBe('fetched')
  expect(four.connections).toBe(1)
  await six?.[Symbol.asyncDispose]()
})
