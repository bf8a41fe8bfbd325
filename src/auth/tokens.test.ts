import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import type { Issuer } from '../domain/issuer.ts'
import { handClock } from '../../test/support/hand-clock.ts'
import { makeTokenCheck } from './tokens.ts'

const { privateKey, publicKey } = await generateKeyPair('ES256')
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one' }] }

/** An issuer whose two documents are what a test says they are. */
async function open(documents: { discovery?: (url: string) => string; keys?: string; status?: number }) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const { discovery = (at: string) => JSON.stringify({ issuer: at, jwks_uri: `${at}/keys` }), keys = JSON.stringify(jwks) } =
      documents
    response.writeHead(documents.status ?? 200).end(request.url === '/keys' ? keys : discovery(url))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer: Issuer = { url, audiences: ['night'], keys: { kind: 'discovered' }, grants: [] }
  const clock = handClock(Date.now())
  const token = (claims: object = {}) =>
    new SignJWT({ iss: url, aud: 'night', sub: 'ci', exp: Math.floor(clock.now() / 1000) + 300, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .sign(privateKey)
  return { asked, clock, token, check: makeTokenCheck([issuer], { clock, fetch }), documents }
}

test('keys are found by how the issuer describes itself, and asked for once', async () => {
  const { asked, check, token } = await open({})
  for (let i = 0; i < 3; i++) expect(await check(await token())).toMatchObject({ subject: 'ci' })
  expect(asked).toEqual(['/.well-known/openid-configuration', '/keys'])
})

test.each([
  ['answers with a page', { discovery: () => '<html></html>' }],
  ['answers with nothing', { discovery: () => 'null' }],
  ['is another', { discovery: (url: string) => JSON.stringify({ issuer: `${url}/`, jwks_uri: `${url}/keys` }) }],
  [
    'has keys where anybody may stand on the way',
    { discovery: (url: string) => JSON.stringify({ issuer: url, jwks_uri: 'http://example.com/keys' }) },
  ],
  ['has a page for keys', { keys: '<html></html>' }],
  ['has no list of keys', { keys: '{"keys":{}}' }],
  ['is broken', { status: 500 }],
])('an issuer that %s is away, and not asked again for some seconds, whoever comes', async (_, documents) => {
  const { asked, check, clock, token, documents: live } = await open(documents)
  const error = { status: 503, message: expect.stringContaining('cannot be read right now') as string }
  for (let i = 0; i < 4; i++) await expect(check(await token())).rejects.toMatchObject(error)
  const before = asked.length
  expect(before).toBeLessThanOrEqual(2)
  Object.assign(live, { discovery: undefined, keys: undefined, status: undefined })
  await expect(check(await token())).rejects.toMatchObject(error)
  expect(asked).toHaveLength(before)
  await clock.advance(6000)
  expect(await check(await token())).toMatchObject({ subject: 'ci' })
})

test.each([
  [{ sub: 42 }, "'sub' is no name"],
  [{ sub: '' }, "'sub' is no name"],
  [{ sub: 'a\u0000b' }, "'sub' is no name"],
  [{ sub: 'x'.repeat(1001) }, "'sub' is no name"],
  [{ exp: undefined }, "'exp' is missing"],
  [{ nbf: 4e9 }, 'not valid yet'],
  [{ aud: ['a', 'b'] }, 'meant for another server'],
  [{ exp: 1 }, 'expired'],
])('a token that says %o is refused', async (claims, why) => {
  const { check, token } = await open({})
  await expect(check(await token(claims))).rejects.toMatchObject({ status: 401, message: expect.stringContaining(why) as string })
})
