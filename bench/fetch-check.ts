/**
 * What it costs to fetch for a caller with care: the check alone (rules, parsing, the addresses of a name), then whole fetches of a small file from this machine,
 * beside a bare undici `Client` that is made for each one.
 *   npx tsx bench/fetch-check.ts [--fetches 2000]
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { Client } from 'undici'
import { defaultLimits } from '../src/dispatch/fetch/content.ts'
import { fetchGuarded } from '../src/dispatch/fetch/guarded.ts'
import { checkAddress, checkResolved, publicOnly, type FetchRules } from '../src/domain/fetch-rules.ts'
import { parseHostPattern } from '../src/domain/host-pattern.ts'
import { row } from './table.ts'

const { values } = parseArgs({ options: { fetches: { type: 'string', default: '2000' } } })
const patterns = (texts: readonly string[]) => texts.map((text) => parseHostPattern(text)!)
const address = 'https://media.example.com/audio/2025/11/call-0001.wav?X-Amz-Signature=0123456789abcdef0123456789abcdef'
const addresses = ['93.184.215.14', '93.184.215.15', '2606:2800:21f:cb07:6820:80da:af6b:8b2c', '2606:2800:21f:cb07::1']
const many: FetchRules = {
  allowHosts: patterns(Array.from({ length: 20 }, (_, i) => `*.internal${i}.example.net`)),
  denyHosts: patterns(Array.from({ length: 20 }, (_, i) => (i % 2 ? `bad${i}.example.net` : `45.${i}.0.0/16`))),
  allowPorts: [80, 443, 8080, 9000],
}

/** Microseconds of a run: the median of several rounds. */
function micros(run: () => void, times = 20_000): number {
  const rounds = Array.from({ length: 9 }, () => {
    const from = performance.now()
    for (let i = 0; i < times; i++) run()
    return ((performance.now() - from) * 1000) / times
  })
  return rounds.toSorted((a, b) => a - b)[4] ?? NaN
}

const check = (rules: FetchRules) => () => checkResolved(checkAddress(address, rules), addresses, rules)
row('what', 'measured', 'aim')
row('check of an address with four IPs', `${micros(check(publicOnly)).toFixed(1)} us`, '50 us')
row('the same with 40 rules of the operator', `${micros(check(many)).toFixed(1)} us`, '50 us')

const server = createServer((_, response) => response.end('x'.repeat(1000)))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const rules: FetchRules = { allowHosts: patterns(['media.test']), denyHosts: [], allowPorts: [port] }
const signal = new AbortController().signal
const parts = { rules, limits: defaultLimits, signal, resolve: async () => ['127.0.0.1'] }

async function guarded(): Promise<void> {
  for await (const chunk of (await fetchGuarded(`http://media.test:${port}/a.wav`, parts)).bytes) void chunk
}
async function bare(): Promise<void> {
  const client = new Client(`http://127.0.0.1:${port}`)
  const { body } = await client.request({ method: 'GET', path: '/a.wav', reset: true })
  for await (const chunk of body) void chunk
  await client.destroy()
}
async function perFetch(run: () => Promise<void>): Promise<number> {
  const fetches = Number(values.fetches)
  const from = performance.now()
  for (let i = 0; i < fetches; i++) await run()
  return ((performance.now() - from) * 1000) / fetches
}
await perFetch(bare)
await perFetch(guarded)
row('a whole fetch of 1 kB, bare undici', `${(await perFetch(bare)).toFixed(0)} us`)
row('a whole fetch of 1 kB, guarded', `${(await perFetch(guarded)).toFixed(0)} us`)
server.closeAllConnections()
server.close()
