import { createSecretKey } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose'
import OpenAI from 'openai'
import { expect } from 'vitest'
import { startIssuer, testAudience, type TestIssuer } from '../support/issuer.ts'
import { followToEnd } from './follow.ts'
import { linesOf } from './lines.ts'
import { test, isRemote, openLocal } from './subject.ts'
import { call, expectRefused, getContent, upload, type Door } from './wire.ts'

/** A server that believes an issuer. */
async function believing(issuer: TestIssuer) {
  const config = join(await mkdtemp(join(tmpdir(), 'nightshift-issuers-')), 'nightshift.yaml')
  await writeFile(
    config,
    `issuers:
  - url: ${issuer.url}
    audience: ${testAudience}
    grants:
      - where: { repository: acme/*, kubernetes.io.namespace: night }
        project: default
      - where: { team: "*" }
        projectFrom: team
        rightsFrom: may
      - where: { sub: platform }
        project: default
        rights: [project:admin]
        operator: true
`,
  )
  return openLocal({}, config)
}
const claims = {
  ci: { repository: 'acme/evals', 'kubernetes.io': { namespace: 'night' } },
  fork: { repository: 'evil/evals', 'kubernetes.io': { namespace: 'night' } },
  reader: { team: ['other', 'nowhere'], may: 'batches:read files:read fly' },
  platform: {},
}
const list = (door: Door) => call(door, 'GET', '/v1/batches')
const keysOf = async (door: Door) =>
  ((await call(door, 'GET', '/v1/admin/keys')).json as { data: { id: string; issuer: string | null; name: string }[] }).data

test.skipIf(isRemote)('281: a token of an issuer serves the official client in the place of a key', async () => {
  await using issuer = await startIssuer(claims)
  await using subject = await believing(issuer)
  const client = new OpenAI({ baseURL: `${subject.baseUrl}/v1`, apiKey: await issuer.token('ci'), maxRetries: 0 })
  const file = await client.files.create({ purpose: 'batch', file: new File([linesOf(['', '']).text], 'a.jsonl') })
  const made = await client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  })
  const ended = await followToEnd({ ...subject, key: await issuer.token('ci') }, made.id)
  expect(ended.request_counts).toEqual({ total: 2, completed: 2, failed: 0 })
  const lines = (await getContent(subject, ended.output_file_id ?? '')).trim().split('\n')
  expect(lines, 'a key of the project sees it too').toHaveLength(2)
  const operator = { ...subject, key: await issuer.token('platform') }
  const known = (await keysOf(operator)).filter((key) => key.issuer !== null)
  expect(known).toMatchObject([
    { issuer: issuer.url, name: 'ci', hint: '', operator: false, access: [{ project: subject.projectId }] },
    { issuer: issuer.url, name: 'platform', operator: true, access: [{ project: subject.projectId, rights: ['project:admin'] }] },
  ])
  expect(issuer.asked(), 'its keys are remembered').toBe(1)
})

test.skipIf(isRemote)(
  '282: a token that is not as it must be is refused, and the answer says what is wrong with it',
  async () => {
    await using issuer = await startIssuer(claims)
    await using subject = await believing(issuer)
    const good = await issuer.token('ci')
    const [head = '', body = '', seal = ''] = good.split('.')
    const strange = await generateKeyPair('RS256', { extractable: true })
    const kid = (JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid: string }).kid
    const said = JSON.parse(Buffer.from(body, 'base64url').toString()) as JWTPayload
    const published = (await (await fetch(`${issuer.url}/jwks`)).json()) as { keys: { n: string }[] }
    const forged = (claim: JWTPayload) => new SignJWT({ ...said, ...claim })
    const tokens: Record<string, [string, RegExp]> = {
      'for another server': [await issuer.token('ci', 'https://other.example/'), /meant for another server/],
      'of another key': [
        await forged({})
          .setProtectedHeader({ alg: 'RS256', kid, jwk: await exportJWK(strange.publicKey) })
          .sign(strange.privateKey),
        /not signed by its issuer/,
      ],
      'with another body': [
        `${head}.${Buffer.from(JSON.stringify({ ...said, sub: 'platform' })).toString('base64url')}.${seal}`,
        /not signed by its issuer/,
      ],
      'without a signature': [new UnsecuredJWT(said).encode(), /not signed by its issuer/],
      'signed with what is public': [
        await forged({})
          .setProtectedHeader({ alg: 'HS256', kid })
          .sign(createSecretKey(Buffer.from(published.keys[0]?.n ?? '', 'base64url'))),
        /not signed by its issuer/,
      ],
      'of an issuer that is not known': [
        await forged({ iss: 'https://issuer.example' }).setProtectedHeader({ alg: 'RS256', kid }).sign(strange.privateKey),
        /Incorrect API key/,
      ],
      'no token': ['a.b.c', /Incorrect API key/],
    }
    for (const [what, [token, why]] of Object.entries(tokens)) {
      const answer = await list({ ...subject, key: token })
      expectRefused(answer, 401, { code: 'invalid_api_key', type: 'invalid_request_error' })
      expect(answer.text, what).toMatch(why)
      expect(answer.text, what).not.toContain(token.slice(0, 20))
    }
    const door = { ...subject, key: good }
    expect((await list(door)).status).toBe(200)
    const named = btoa(`:${JSON.stringify([issuer.url, 'ci'])}`)
    for (const basic of [named, btoa(`:subject:${JSON.stringify([issuer.url, 'ci'])}`)])
      expect(
        (await fetch(`${subject.baseUrl}/v1/batches`, { headers: { authorization: `Basic ${basic}` } })).status,
        'the name of a subject is no key',
      ).toBe(401)
    await subject.advance(400_000)
    const late = await list(door)
    expectRefused(late, 401, { code: 'invalid_api_key' })
    expect(late.text).toMatch(/expired/)
  },
)

test.skipIf(isRemote)('283: its claims say for which projects it is, and what it may do there', async () => {
  await using issuer = await startIssuer(claims)
  await using subject = await believing(issuer)
  const fork = await list({ ...subject, key: await issuer.token('fork') })
  expectRefused(fork, 403, { message: expect.stringContaining('none of its claims') as string })
  const reader = { ...subject, key: await issuer.token('reader') }
  expect((await list(reader)).status, 'its project is the one that is there').toBe(200)
  expect((await list({ ...reader, baseUrl: `${subject.baseUrl}/${subject.other?.projectId}` })).status).toBe(200)
  const elsewhere = await list({ ...reader, baseUrl: `${subject.baseUrl}/${subject.projectId}` })
  expectRefused(elsewhere, 403, { message: 'This API key may not use this project.' })
  const tried = await call(reader, 'POST', '/v1/batches/none/cancel')
  expectRefused(tried, 403, { code: 'missing_right', message: expect.stringContaining('batches:write') as string })
  const platform = { ...subject, key: await issuer.token('platform') }
  expect((await call(platform, 'GET', '/v1/admin/projects')).status).toBe(200)
  expectRefused(await list(platform), 403, { code: 'missing_right' })
})

test.skipIf(isRemote)(
  '284: a subject is revoked like a key, for all its tokens; an issuer that is away is told as such',
  async () => {
    await using issuer = await startIssuer(claims)
    await using subject = await believing(issuer)
    await upload({ ...subject, key: await issuer.token('ci') }, linesOf(['']).text)
    const operator = { ...subject, key: await issuer.token('platform') }
    const one = (await keysOf(operator)).find(({ name }) => name === 'ci')
    expect((await call(operator, 'DELETE', `/v1/admin/keys/${one?.id}`)).status).toBe(200)
    expectRefused(await list({ ...subject, key: await issuer.token('ci') }), 401, { code: 'invalid_api_key' })
    const reader = { ...subject, key: await issuer.token('reader') }
    await subject.restart({ whileOff: () => issuer.stop() })
    const away = await list(reader)
    expectRefused(away, 503, { message: expect.stringContaining(issuer.url) as string })
    expect(away.headers.get('retry-after')).toBe('5')
    expect((await list(subject)).status, 'keys are good without it').toBe(200)
  },
)
