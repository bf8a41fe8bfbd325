import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FetchError } from './fetch-error.ts'
import { checkAddress, checkRedirect, checkResolved, publicOnly, type FetchRules } from './fetch-rules.ts'
import { parseHostPattern } from './host-pattern.ts'

const hosts = (...texts: string[]) => texts.map((text) => parseHostPattern(text)!)
const rules = (more: { allow?: string[]; deny?: string[]; ports?: number[] } = {}): FetchRules => ({
  allowHosts: hosts(...(more.allow ?? [])),
  denyHosts: hosts(...(more.deny ?? [])),
  allowPorts: more.ports ?? [80, 443],
})
const codeOf = (run: () => unknown): string => {
  try {
    run()
    return 'allowed'
  } catch (error) {
    if (error instanceof FetchError) return error.code
    throw error
  }
}
const verdict = (address: string, under = publicOnly) => codeOf(() => checkAddress(address, under))

test('an address is taken apart as it will be opened', () => {
  expect(checkAddress('HTTPS://Example.COM./a%20b?x=1#y', publicOnly)).toEqual({
    secure: true,
    host: 'example.com',
    port: 443,
    path: '/a%20b?x=1',
    origin: 'https://example.com',
    granted: false,
  })
  expect(checkAddress('http://bücher.example:8080', rules({ ports: [8080] }))).toMatchObject({
    host: 'xn--bcher-kva.example',
    port: 8080,
    path: '/',
    origin: 'http://xn--bcher-kva.example:8080',
  })
  expect(checkAddress('http://[2606:4700:0::1111]/', publicOnly)).toMatchObject({
    host: '2606:4700::1111',
    origin: 'http://[2606:4700::1111]',
  })
})

test('only the ports that the operator allows are opened', () => {
  expect(
    ['http://example.com:443/', 'http://example.com:22/', 'http://example.com:0/', 'https://example.com:8443'].map((a) =>
      verdict(a),
    ),
  ).toEqual(['allowed', 'url_not_allowed', 'url_not_allowed', 'url_not_allowed'])
  expect(verdict('http://example.com/', rules({ ports: [443] }))).toBe('url_not_allowed')
})

test('a host that is allowed may lead into a private network, and nowhere else', () => {
  const under = rules({ allow: ['media.corp.internal', '*.lan', 'nas'] })
  const reached = (address: string, ...to: string[]) => codeOf(() => checkResolved(checkAddress(address, under), to, under))
  expect(reached('http://media.corp.internal/', '10.0.0.7', 'fd00::1', '1.1.1.1')).toBe('allowed')
  expect(reached('http://a.lan/', '127.0.0.1')).toBe('allowed')
  expect(reached('http://NAS/', '192.168.0.2')).toBe('allowed')
  expect(reached('http://media.corp.internal/', '169.254.169.254')).toBe('url_not_allowed')
  expect(reached('http://media.corp.internal/', '10.0.0.7', '::ffff:10.0.0.7')).toBe('url_not_allowed')
  expect(verdict('http://lan/', under)).toBe('url_not_allowed')
  expect(verdict('http://xmedia.corp.internal/', under)).toBe('url_not_allowed')
  expect(reached('http://example.com/', '10.0.0.7')).toBe('url_not_allowed')
})

test('a range that is allowed may be reached by address and by name', () => {
  const under = rules({ allow: ['10.1.0.0/16', 'fd00::7'] })
  expect(
    ['http://10.1.2.3/', 'http://10.2.0.1/', 'http://[fd00::7]/', 'http://[fd00::8]/'].map((a) => verdict(a, under)),
  ).toEqual(['allowed', 'url_not_allowed', 'allowed', 'url_not_allowed'])
  const target = checkAddress('http://example.com/', under)
  expect(codeOf(() => checkResolved(target, ['10.1.2.3'], under))).toBe('allowed')
  expect(codeOf(() => checkResolved(target, ['10.1.2.3', '10.2.0.1'], under))).toBe('url_not_allowed')
})

test('what is denied stays denied, and a lone star denies whatever is not allowed', () => {
  const under = rules({ allow: ['*.example.com'], deny: ['secret.example.com', '93.184.0.0/16'] })
  expect(
    ['http://a.example.com/', 'http://secret.example.com/', 'http://SECRET.example.com../', 'http://93.184.1.1/'].map((a) =>
      verdict(a, under),
    ),
  ).toEqual(['allowed', 'url_not_allowed', 'url_not_allowed', 'url_not_allowed'])
  expect(codeOf(() => checkResolved(checkAddress('http://a.example.com/', under), ['93.184.1.1'], under))).toBe('url_not_allowed')
  const closed = rules({ allow: ['media.example.com', '1.1.1.1'], deny: ['*'] })
  expect(
    ['http://media.example.com/', 'http://1.1.1.1/', 'http://example.org/', 'http://8.8.8.8/'].map((a) => verdict(a, closed)),
  ).toEqual(['allowed', 'allowed', 'url_not_allowed', 'url_not_allowed'])
})

test('a pattern is a name, names under a name, an address, a range, or all', () => {
  expect(parseHostPattern('*.Bücher.example')).toEqual({ kind: 'name', name: 'xn--bcher-kva.example', below: true })
  expect(parseHostPattern('example.com.')).toEqual({ kind: 'name', name: 'example.com', below: false })
  expect(parseHostPattern('[::1]')).toMatchObject({ kind: 'block' })
  const wrong = [
    '',
    '*.',
    'a*b',
    '*.*',
    '**',
    'http://a',
    'a/b',
    'a:80',
    'a b',
    'u@a',
    '10.0.0.0/40',
    '0x7f.1',
    'a..b',
    '.a',
    '*10.0.0.1',
  ]
  expect(wrong.filter((text) => parseHostPattern(text) !== null)).toEqual([])
})

test('a redirect goes by the same rules, and never from https to http', () => {
  const from = checkAddress('https://example.com/a/b?c', publicOnly)
  const to = (location: string) => codeOf(() => checkRedirect(from, location, publicOnly))
  expect(checkRedirect(from, '../d#e', publicOnly)).toMatchObject({ origin: 'https://example.com', path: '/d' })
  expect(checkRedirect(from, '//example.org/x', publicOnly)).toMatchObject({ origin: 'https://example.org', path: '/x' })
  expect(
    checkRedirect({ ...from, secure: false, origin: 'http://example.com' }, 'https://example.org/', publicOnly),
  ).toMatchObject({ secure: true })
  const wrong = [
    'http://example.com/',
    'https://127.0.0.1/',
    '//localhost/',
    'file:///etc/passwd',
    'https://u:p@example.com/',
    'https://a:22/',
    'https://',
    '',
  ]
  expect(wrong.map(to)).toEqual([...Array<string>(7).fill('url_not_allowed'), 'allowed'])
  expect(() => checkRedirect(from, 'https://10.1.2.3/x', publicOnly)).toThrow(/^(?!.*10\.1\.2\.3)/)
})

test('no message tells the path, the query, a password or where a name leads', () => {
  const word = fc.stringMatching(/^[a-z0-9]{12}$/)
  fc.assert(
    fc.property(
      word,
      word,
      word,
      fc.constantFrom('http', 'https', 'ftp', 'x'),
      fc.constantFrom('10.9.8.7', '[::1]', 'a', 'a.com', 'a.com:22'),
      (a, b, c, scheme, host) => {
        for (const text of [
          `${scheme}://${host}/${a}?${b}#${c}`,
          `${scheme}://${a}:${b}@${host}/${c}`,
          `${scheme}:${a}${b}`,
          `${scheme}://${host}/ ${a}`,
        ]) {
          try {
            checkResolved(checkAddress(text, publicOnly), ['10.77.66.55'], publicOnly)
          } catch (error) {
            expect(String(error)).not.toMatch(new RegExp(`${a}|${b}|${c}|10\\.77`))
          }
        }
      },
    ),
  )
})

test('whatever is allowed without a name is a public address on an allowed port, and the parser reads it again as it is', () => {
  const text = fc.oneof(
    fc.webUrl({ validSchemes: ['http', 'https', 'ftp'], withQueryParameters: true, withFragments: true }),
    fc
      .tuple(fc.constantFrom('http://', 'https://', 'HTTP://', 'http:/', 'http:', '//'), fc.string(), fc.string())
      .map((all) => all.join('')),
    fc
      .tuple(
        fc.constantFrom('http://', 'https://'),
        fc.oneof(
          fc.ipV4(),
          fc.ipV4Extended(),
          fc.ipV6().map((a) => `[${a}]`),
        ),
        fc.constantFrom('', '/', ':80', ':1'),
      )
      .map((all) => all.join('')),
  )
  fc.assert(
    fc.property(text, (address) => {
      let target
      try {
        target = checkAddress(address, publicOnly)
      } catch (error) {
        expect(error).toBeInstanceOf(FetchError)
        return
      }
      expect([80, 443]).toContain(target.port)
      expect(checkAddress(target.origin + target.path, publicOnly)).toEqual(target)
    }),
    { numRuns: 3000 },
  )
})
