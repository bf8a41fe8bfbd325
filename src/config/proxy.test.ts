import { expect, test } from 'vitest'
import { proxyFor } from './proxy.ts'

const env = { HTTP_PROXY: 'http://plain:3128', HTTPS_PROXY: 'http://secure:3128' }

test("a backend's scheme says which proxy, and neither stands in for the other", () => {
  expect(proxyFor('http://gpu-1:8000', env)).toBe('http://plain:3128/')
  expect(proxyFor('https://gpu-1', env)).toBe('http://secure:3128/')
  expect(proxyFor('https://gpu-1', { HTTP_PROXY: env.HTTP_PROXY })).toBeNull()
  expect(proxyFor('http://gpu-1', {})).toBeNull()
})

test('the small form counts before the capital one, also when it is empty', () => {
  expect(proxyFor('http://h', { ...env, http_proxy: 'http://small:1' })).toBe('http://small:1/')
  expect(proxyFor('http://h', { ...env, http_proxy: '' })).toBeNull()
  expect(proxyFor('http://h', { ...env, no_proxy: '', NO_PROXY: '*' })).toBe('http://plain:3128/')
})

test.each([
  'http://127.0.0.1:8000',
  'http://127.9.9.9',
  'http://localhost:8000',
  'https://localhost',
  'http://gpu.localhost',
  'http://[::1]:8000',
])('a backend on this machine is never behind a proxy: %s', (url) => {
  expect(proxyFor(url, env)).toBeNull()
})

test.each([
  ['*', 'http://h', true],
  ['h', 'http://h:8000', true],
  ['H.Example.COM', 'http://h.example.com', true],
  ['example.com', 'http://gpu.example.com', true],
  ['.example.com', 'http://gpu.example.com', true],
  ['.example.com', 'http://example.com', true],
  ['*.example.com', 'http://gpu.example.com', true],
  ['example.com', 'http://badexample.com', false],
  ['gpu.example.com', 'http://example.com', false],
  ['a, h b', 'http://h', true],
  ['a,,b', 'http://h', false],
  ['h:8000', 'http://h:8000', true],
  ['h:8000', 'http://h:8001', false],
  ['h:443', 'https://h', true],
  ['h:443', 'http://h', false],
  ['10.1.2.3', 'http://10.1.2.3:8000', true],
  ['10.1.2.3:8000', 'http://10.1.2.3:8000', true],
  ['10.1.2.3:8000', 'http://10.1.2.3', false],
  ['10.0.0.0/8', 'http://10.1.2.3', true],
  ['10.0.0.0/8', 'http://11.1.2.3', false],
  ['10.0.0.0/8', 'http://h', false],
  ['fd00::/8', 'http://[fd00::7]:8000', true],
  ['fd00::7', 'http://[fd00::7]', true],
  ['[fd00::7]:8000', 'http://[fd00::7]:8000', true],
  ['[fd00::7]:8000', 'http://[fd00::7]', false],
  ['!', 'http://h', false],
] as const)('NO_PROXY=%s and %s', (noProxy, url, direct) => {
  expect(proxyFor(url, { ...env, NO_PROXY: noProxy }) === null).toBe(direct)
})

test('an address may do without its scheme; one that is none is refused and never shown', () => {
  expect(proxyFor('http://h', { HTTP_PROXY: 'proxy:3128' })).toBe('http://proxy:3128/')
  expect(proxyFor('http://h', { HTTP_PROXY: 'http://user:pass@proxy:3128' })).toBe('http://user:pass@proxy:3128/')
  for (const wrong of ['socks5://user:hush@proxy', 'http://user:hush@proxy/path', 'http://user:hush@pro xy']) {
    expect(() => proxyFor('http://h', { HTTP_PROXY: wrong })).toThrow(/HTTP_PROXY: not the address of a proxy/)
    expect(() => proxyFor('http://h', { HTTP_PROXY: wrong })).toThrow(expect.not.stringContaining('hush') as never)
  }
})
