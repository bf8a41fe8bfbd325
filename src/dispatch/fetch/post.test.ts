import { expect, test } from 'vitest'
import { failing, somewhere, webWorld, withCode } from '../../../test/support/web-world.ts'
import { dialTo } from '../../../test/support/web-server.ts'
import { publicOnly } from '../../domain/fetch-rules.ts'
import { postGuarded, type PostParts } from './post.ts'

const sent = { headers: { 'content-type': 'application/json', 'webhook-id': 'evt_1' }, body: '{"a":"ü"}' }
const limits = { connectMs: 1000, totalMs: 300 }

test('what is posted is what was given, and the status is told', async () => {
  const heard: unknown[] = []
  await using at = await webWorld(({ method, url, headers }, response) => {
    heard.push([method, url, headers['webhook-id'], headers['content-length'], headers.host])
    response.writeHead(url === '/gone' ? 410 : 302, { location: '/elsewhere' }).end('x'.repeat(100))
  })
  const parts: PostParts = {
    rules: publicOnly,
    limits,
    signal: new AbortController().signal,
    resolve: async () => [somewhere],
    dial: dialTo(at.server),
  }
  expect(await postGuarded('http://example.com/hook?x=1', sent, parts)).toBe(302)
  expect(await postGuarded('http://example.com/gone', sent, parts)).toBe(410)
  expect(heard).toEqual([
    ['POST', '/hook?x=1', 'evt_1', '10', 'example.com'],
    ['POST', '/gone', 'evt_1', '10', 'example.com'],
  ])
})

test('a name that leads inside, a server that hangs, a stop: nothing is left open', async () => {
  await using at = await webWorld(() => {})
  const stop = new AbortController()
  const parts = (resolve: PostParts['resolve']): PostParts => ({
    rules: publicOnly,
    limits,
    signal: stop.signal,
    ...(resolve ? { resolve } : {}),
    dial: dialTo(at.server),
  })
  expect(
    await failing(
      postGuarded(
        'http://example.com/',
        sent,
        parts(async () => ['10.0.0.1']),
      ),
    ),
  ).toEqual(withCode('url_not_allowed'))
  expect(at.server.connections).toBe(0)
  expect(
    await failing(
      postGuarded(
        'http://example.com/',
        sent,
        parts(async () => [somewhere]),
      ),
    ),
  ).toEqual(withCode('url_timeout'))
  const posting = postGuarded(
    'http://example.com/',
    sent,
    parts(async () => [somewhere]),
  )
  stop.abort(new Error('stopped'))
  await expect(posting).rejects.toThrow('stopped')
  await at.server.quiet()
})
