import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { formatBytes, formatTime, parseBytes, parseTime } from './config/units.ts'
import { loadSettings } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'nightshift-config-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0
const fileOf = (text: string): string => {
  const path = join(folder, `${files++}.yaml`)
  writeFileSync(path, text)
  return path
}

test('a flag comes before its variable, that before the file, that before the default', () => {
  const config = fileOf('port: 1001\nlimits: { fileBytes: 1MB, lineBytes: 1kB }')
  const env = { NIGHTSHIFT_PORT: '1002' }
  expect(loadSettings({ config, flags: { port: '1003' } }, env).port).toBe(1003)
  expect(loadSettings({ config, flags: {} }, env).port).toBe(1002)
  expect(loadSettings({ config, flags: {} }, {}).port).toBe(1001)
  expect(loadSettings({ config, flags: {} }, {}).maxFileBytes).toBe(1_000_000)
  expect(loadSettings({ flags: {} }, {}).port).toBe(8090)
})

test('aliases, weight and priority of a backend, and what is wrong with them', () => {
  const backend = (more: string) =>
    loadSettings({ config: fileOf(`backends:\n  - { url: "http://h", ${more} }`), flags: {} }, {}).backends[0]
  expect(backend('aliases: { small: org/Small-3.2 }, priority: 10')).toMatchObject({
    aliases: { small: 'org/Small-3.2' },
    priority: 10,
  })
  expect(backend('maxInFlight: 1')).toMatchObject({ aliases: {}, priority: null })
  for (const wrong of ['aliases: [small]', 'aliases: { small: 3 }', 'aliases: { small: "" }', 'aliases: small'])
    expect(() => backend(wrong)).toThrow(/aliases of http:\/\/h must be names that batches say/)
  expect([backend('weight: 2.5')?.weight, backend('maxInFlight: 1')?.weight]).toEqual([2.5, 1])
  for (const wrong of ['0', '-1', 'heavy', '.inf'])
    expect(() => backend(`weight: ${wrong}`)).toThrow(/weight of http:\/\/h must be a number above 0/)
  expect(() => backend('priority: high')).toThrow(/priority of http:\/\/h must be a whole number/)
})

test('prices, and what is wrong with them', () => {
  const prices = (text: string) => loadSettings({ config: fileOf(`prices:\n  - ${text}`), flags: {} }, {}).prices
  expect(prices('{ model: m, from: 2026-11-01, input: 0.15, output: "0.6" }')).toEqual([
    { model: 'm', from: 20_758, input: 150_000n, cached: 150_000n, output: 600_000n, minute: 0n },
  ])
  for (const [text, wrong] of [
    ['{ input: 1 }', /a price needs a model/],
    ['{ model: m, input: 1,5 }', /a price has no '5'|input of m/],
    ['{ model: m, output: -1 }', /output of m must be an amount/],
    ['{ model: m, minute: 0.1234567 }', /minute of m must be an amount/],
    ['{ model: m, from: 2026-02-30 }', /from of m must be a date/],
    ['{ model: m, inputs: 1 }', /a price has no 'inputs'/],
  ] as const)
    expect(() => prices(text), text).toThrow(wrong)
})

test('sizes and times come back as they were written', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 45 }), (n) => {
      expect(parseBytes(formatBytes(n))).toBe(n)
      expect(parseTime(formatTime(n))).toBe(n)
    }),
  )
  expect(['200MB', '8MiB', '10s', 'x', '-1', '1.5h', ''].map((t) => [parseBytes(t), parseTime(t)])).toEqual([
    [200_000_000, null],
    [8_388_608, null],
    [null, 10_000],
    [null, null],
    [null, null],
    [null, 5_400_000],
    [null, null],
  ])
})

test.each([
  [{ flags: { port: 'abc' } }, {}, /--port: 'abc' is not a whole number/],
  [
    { flags: {} },
    { NIGHTSHIFT_LEASE: '20', NIGHTSHIFT_LEASE_RENEW: '5' },
    /NIGHTSHIFT_LEASE: '20' is not a time.*, from 3s to 24d/,
  ],
  [{ flags: { look: '0' } }, {}, /--look: '0' is not a time.*, from 10ms/],
  [{ flags: { idleTimeout: '250d' } }, {}, /--idle-timeout: '250d' is not a time.*, from 1ms to 24d/],
  [{ flags: { shortBytes: '2GB' } }, {}, /--short-bytes: '2GB' is not bytes.*, from 1 to 16MiB/],
  [{ flags: { port: '70000' } }, {}, /--port: '70000' is not a whole number, from 0 to 65535/],
  [{ flags: { suffixOutput: '.jsonl' } }, {}, /--suffix-output must be .* more than \.jsonl/],
  [{ flags: { suffixError: 'x'.repeat(101) } }, {}, /--suffix-error must be/],
  [{ flags: {}, backend: ['http://a:1', 'http://a:1/v1/'] }, {}, /http:\/\/a:1 is given twice/],
  [{ flags: { lease: '8s' } }, {}, /--lease-renew must be at most half of --lease/],
  [{ flags: { suffixOutput: '.x', suffixError: '.x' } }, {}, /the two results would have one name/],
  [{ flags: { database: 'mysql://u:secret@h/d' } }, {}, /--database: not the address of a database/],
  [{ flags: {}, backend: ['ftp://x'] }, {}, /is not the address of a backend/],
  [{ flags: { windows: '24h,30m' } }, {}, /--windows/],
  [{ flags: { look: '1s' } }, {}, /--look/],
] as const)('what cannot be is refused with where and what to do: %j', (given, env, message) => {
  expect(() => loadSettings(given, env)).toThrow(message)
  expect(() => loadSettings(given, env)).toThrow(expect.not.stringContaining('secret') as never)
})

test('a wrong file is refused with its line', () => {
  expect(() => loadSettings({ config: fileOf('port: 1\nprot: 2'), flags: {} }, {})).toThrow(
    /line 2: unknown setting 'prot'. Did you mean 'port'\?/,
  )
  expect(() => loadSettings({ config: fileOf('port: [1\n'), flags: {} }, {})).toThrow(/line \d: not valid YAML/)
  expect(() => loadSettings({ config: fileOf('backends:\n  - { url: "http://h", key: "${NOPE}" }'), flags: {} }, {})).toThrow(
    /line 1: the variable NOPE is not set/,
  )
  expect(() => loadSettings({ config: join(folder, 'none.yaml'), flags: {} }, {})).toThrow(/cannot be read/)
})

test('secrets come from variables and files', () => {
  const secret = fileOf('from a file\n')
  const config = fileOf(
    `backends:\n  - { url: http://a/v1/, key: "\${K}", models: [m] }\n  - { url: http://b, key: { file: ${secret} } }`,
  )
  const headers = fileOf(`backends:\n  - { url: "http://a", headers: { x-a: \${K}, x-b: { file: ${secret} } } }`)
  expect(loadSettings({ config: headers, flags: {} }, { K: 'v' }).backends[0]?.headers).toEqual({
    'x-a': 'v',
    'x-b': 'from a file',
  })
  expect(loadSettings({ config, flags: {} }, { K: 'v' }).backends.map(({ url, key }) => [url, key])).toEqual([
    ['http://a', 'v'],
    ['http://b', 'from a file'],
  ])
})

test('folders of buckets are found from where the file lies', () => {
  const config = fileOf('buckets:\n  - { bucket: demo, folder: ./d }')
  expect(loadSettings({ config, flags: {} }, {}).buckets).toEqual([
    { bucket: 'demo', projects: null, place: { kind: 'folder', folder: join(folder, 'd') } },
  ])
})
