import { expect, test } from 'vitest'
import { failing, readAll, somewhere, webWorld, withCode } from '../../../test/support/web-world.ts'
import { dialTo } from '../../../test/support/web-server.ts'
import { publicOnly } from '../../domain/fetch-rules.ts'
import { parseHostPattern } from '../../domain/host-pattern.ts'
import type { FetchParts } from './guarded.ts'

test('what lies at an address is handed on with its type, name and size', async () => {
  await using at = await webWorld((_, response) => {
    response.writeHead(200, {
      'content-type': 'audio/wav',
      'content-length': 5,
      'content-disposition': 'attachment; filename="a b.wav"',
    })
    response.end('bytes')
  })
  const fetched = await at.fetch('https://example.com/x?y=1#z')
  expect(fetched).toMatchObject({ contentType: 'audio/wav', name: 'a b.wav', size: 5, finalAddress: 'https://example.com/x?y=1' })
  expect((await readAll(fetched)).toString()).toBe('bytes')
  await at.server.quiet()
  expect(at.places).toEqual([{ address: somewhere, port: 443, secure: true, servername: 'example.com' }])
})

test('nothing of ours or of the caller goes along', async () => {
  const asked: object[] = []
  await using at = await webWorld(({ method, url, headers }, response) => {
    asked.push({ method, url, ...headers })
    response.setHeader('set-cookie', 'a=b')
    if (url === '/a?s=1') response.writeHead(302, { location: 'http://example.org/b' }).end()
    else response.end()
  })
  const fetched = await at.fetch('http://example.com/a?s=1')
  expect((await readAll(fetched)).length).toBe(0)
  expect(fetched).toMatchObject({ contentType: null, name: 'b' })
  const always = { method: 'GET', accept: '*/*', 'accept-encoding': 'identity', connection: 'close', 'user-agent': 'nightshift' }
  expect(asked).toEqual([
    { ...always, url: '/a?s=1', host: 'example.com' },
    { ...always, url: '/b', host: 'example.org' },
  ])
})

test('a name is looked up once, and what it says afterwards counts for nothing', async () => {
  const answers = [[somewhere], ['127.0.0.1'], ['127.0.0.1']]
  let asked = 0
  await using at = await webWorld((_, response) => response.end('x'), { resolve: async () => answers[asked++] ?? [] })
  expect((await readAll(await at.fetch('http://rebind.example.com/'))).toString()).toBe('x')
  expect([asked, at.places.map(({ address }) => address)]).toEqual([1, [somewhere]])
  expect(await failing(at.fetch('http://rebind.example.com/'))).toEqual(withCode('url_not_allowed'))
  expect(at.server.connections).toBe(1)
})

test('of a name with several addresses none is used if one of them is private', async () => {
  await using at = await webWorld((_, response) => response.end('x'), { resolve: async () => [somewhere, '1.1.1.1', '10.0.0.1'] })
  expect(await failing(at.fetch('http://example.com/'))).toEqual(withCode('url_not_allowed'))
  expect(at.server.connections).toBe(0)
})

test('the next address is tried where one cannot be reached, three at most', async () => {
  await using at = await webWorld((_, response) => response.end('x'), {
    resolve: async () => ['1.0.0.1', '1.0.0.2', '1.0.0.3', '1.0.0.4'],
  })
  const tried: string[] = []
  const refusing = (upTo: number): Pick<FetchParts, 'dial'> => ({
    dial: (place, signal) => {
      tried.push(place.address)
      if (tried.length > upTo) return dialTo(at.server)(place, signal)
      return Promise.reject(Object.assign(new Error(`connect ECONNREFUSED ${place.address}:80`), { code: 'ECONNREFUSED' }))
    },
  })
  expect((await readAll(await at.fetch('http://example.com/', refusing(1)))).toString()).toBe('x')
  expect(tried.splice(0)).toEqual(['1.0.0.1', '1.0.0.2'])
  const error = await failing(at.fetch('http://example.com/', refusing(9)))
  expect(error).toEqual(withCode('url_unreachable'))
  expect(String(error)).toMatch(/ECONNREFUSED/)
  expect(String(error)).not.toMatch(/1\.0\.0/)
  expect(tried).toHaveLength(3)
})

test('three redirects are followed, and not a fourth', async () => {
  await using at = await webWorld(({ url = '' }, response) => {
    const left = Number(url.slice(1))
    if (left > 0) response.writeHead(307, { location: `${left - 1}` }).end('x'.repeat(100_000))
    else response.end('there')
  })
  const fetched = await at.fetch('http://example.com/3')
  expect([(await readAll(fetched)).toString(), fetched.finalAddress]).toEqual(['there', 'http://example.com/0'])
  expect(at.looked).toHaveLength(4)
  expect(await failing(at.fetch('http://example.com/4'))).toEqual(withCode('url_too_many_redirects'))
  expect(at.server.connections).toBe(8)
  await at.server.quiet()
})

test('a redirect in a circle ends', async () => {
  await using at = await webWorld((_, response) => void response.writeHead(301, { location: '/' }).end())
  expect(await failing(at.fetch('http://example.com/'))).toEqual(withCode('url_too_many_redirects'))
  expect(at.server.connections).toBe(4)
})

test.each([
  ['http://127.0.0.1/'],
  ['http://[::ffff:127.0.0.1]/'],
  ['//localhost/'],
  ['http://private.example.com/'],
  ['https://private.example.com/'],
  ['http://user@example.com/'],
  ['http://example.com:22/'],
  ['file:///etc/passwd'],
  ['http://\u0000/'],
])('a redirect to %s is not followed', async (location) => {
  await using at = await webWorld((_, response) => {
    response.socket?.end(`HTTP/1.1 302 Found\r\nlocation: ${location.replaceAll('\u0000', '\\')}\r\ncontent-length: 0\r\n\r\n`)
  })
  const resolve = async (host: string) => (host === 'private.example.com' ? ['10.0.0.1'] : [somewhere])
  expect(await failing(at.fetch('http://example.com/', { resolve }))).toEqual(withCode('url_not_allowed'))
  expect(at.server.connections).toBe(1)
  await at.server.quiet()
})

test('a redirect from https to http is not followed, one from http to https is', async () => {
  await using at = await webWorld(({ url }, response) => {
    if (url === '/') response.writeHead(302, { location: 'http://example.com/x' }).end()
    else if (url === '/up') response.writeHead(302, { location: 'https://example.com/x' }).end()
    else response.end('x')
  })
  expect(await failing(at.fetch('https://example.com/'))).toEqual(withCode('url_not_allowed'))
  expect((await at.fetch('http://example.com/up')).finalAddress).toBe('https://example.com/x')
})

test('a name that turns private between two hops is refused at the second', async () => {
  let asked = 0
  const resolve = async () => (asked++ === 0 ? [somewhere] : ['127.0.0.1'])
  await using at = await webWorld((_, response) => void response.writeHead(302, { location: '/again' }).end(), { resolve })
  expect(await failing(at.fetch('http://example.com/'))).toEqual(withCode('url_not_allowed'))
  expect([asked, at.server.connections]).toEqual([2, 1])
})

test('a host that the operator allows is reached though it is private', async () => {
  const pattern = parseHostPattern('*.corp.internal')
  const rules = { ...publicOnly, allowHosts: pattern ? [pattern] : [] }
  const granted: boolean[] = []
  const resolve = async (_: string, allowed: boolean) => {
    granted.push(allowed)
    return ['10.0.0.7']
  }
  await using at = await webWorld((_, response) => response.end('x'), { rules, resolve })
  expect((await readAll(await at.fetch('http://media.corp.internal/'))).toString()).toBe('x')
  expect(await failing(at.fetch('http://example.com/'))).toEqual(withCode('url_not_allowed'))
  expect([granted, at.places.map(({ address }) => address)]).toEqual([[true, false], ['10.0.0.7']])
})

test.each([204, 206, 300, 302, 304, 401, 404, 429, 500, 503])('an answer of %i is none', async (status) => {
  await using at = await webWorld((_, response) => response.writeHead(status).end())
  expect(await failing(at.fetch('http://example.com/a?secret=1'))).toMatchObject({
    code: 'url_status',
    status,
    message: expect.not.stringMatching('secret') as unknown,
  })
  await at.server.quiet()
})

test('a body that breaks off is no body', async () => {
  await using at = await webWorld((_, response) => {
    response.writeHead(200, { 'content-length': 10 }).write('12345', () => response.destroy())
  })
  expect(await failing(readAll(await at.fetch('http://example.com/')))).toEqual(withCode('url_unreachable'))
})

test.each([
  '',
  'HTTP/1.1 200 OK\r\n',
  'SSH-2.0-OpenSSH_9.2\r\n',
  `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`,
  'HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n',
])('what is no answer is none (%#)', async (text) => {
  await using at = await webWorld((request) => request.socket.end(text))
  expect(await failing(at.fetch('http://example.com/').then(readAll))).toEqual(withCode('url_unreachable'))
  await at.server.quiet()
})

test('a name without an address, or that DNS fails on, is unreachable', async () => {
  await using at = await webWorld((_, response) => response.end())
  expect(await failing(at.fetch('http://example.com/', { resolve: async () => [] }))).toEqual(withCode('url_unreachable'))
  const resolve = () => Promise.reject(Object.assign(new Error('queryA ENOTFOUND example.com'), { code: 'ENOTFOUND' }))
  expect(await failing(at.fetch('http://example.com/', { resolve }))).toEqual(withCode('url_unreachable'))
})

test('trouble of this machine is not the fault of an address', async () => {
  await using at = await webWorld((_, response) => response.end())
  const dial = () => Promise.reject(Object.assign(new Error('connect EMFILE 1.1.1.1:80'), { code: 'EMFILE' }))
  const error = await failing(at.fetch('http://example.com/', { dial }))
  expect(error).toMatchObject({ name: 'Error', message: 'no connection could be opened: EMFILE' })
})
