import { describe, expect, test } from 'vitest'
import { SettingsError } from './error.ts'
import { parseIssuer, parseIssuers } from './issuers.ts'

const least = { url: 'https://issuer.example', audience: 'night', grants: [{ where: { sub: '*' }, project: 'team' }] }
const parse = (more: Record<string, unknown>) => parseIssuer({ ...least, ...more }, 'night.yaml: issuers')

describe('issuers of the settings', () => {
  test('the least of one, and all that may be said', () => {
    expect(parse({})).toEqual({
      url: 'https://issuer.example',
      audiences: ['night'],
      keys: { kind: 'discovered' },
      grants: [
        {
          where: { sub: '*' },
          projects: { kind: 'these', names: ['team'] },
          rights: { kind: 'these', names: ['AllProductsFullAccess'] },
          isOperator: false,
        },
      ],
    })
    const { audiences, keys, grants } = parse({
      audience: ['a', 'b'],
      keys: '{"keys":[{"kty":"RSA"}]}',
      grants: [
        { where: { level: 3, admin: true }, project: ['a', 'b'], rights: ['batches:read'], operator: true },
        { where: { sub: 'x' }, projectFrom: 'team', rightsFrom: 'scope' },
      ],
    })
    expect([audiences, keys]).toEqual([['a', 'b'], { kind: 'given', set: { keys: [{ kty: 'RSA' }] } }])
    expect(grants[0]).toMatchObject({ where: { level: '3', admin: 'true' }, projects: { names: ['a', 'b'] }, isOperator: true })
    expect(grants[1]).toMatchObject({ projects: { kind: 'claim', claim: 'team' }, rights: { kind: 'claim', claim: 'scope' } })
    expect(parse({ url: 'http://127.0.0.1:9/x', keys: 'http://localhost:9/jwks' }).keys).toEqual({
      kind: 'at',
      url: 'http://localhost:9/jwks',
    })
  })

  test.each<[Record<string, unknown>, RegExp]>([
    [{ url: undefined }, /^night.yaml: issuers: an issuer needs its url, which begins with https$/],
    [{ url: 'http://issuer.example' }, /begins with https/],
    [{ url: 'http://127.0.0.1.evil.example' }, /begins with https/],
    [{ realm: 'x' }, /issuer https:\/\/issuer.example has no 'realm'. It may have: url, audience, keys, grants/],
    [{ audience: '' }, /needs an audience/],
    [{ audience: undefined }, /needs an audience/],
    [{ grants: [] }, /needs grants/],
    [{ grants: ['team'] }, /a grant must be settings by name/],
    [{ grants: [{ project: 'team' }] }, /a grant needs where.*everybody/],
    [{ grants: [{ where: {}, project: 'team' }] }, /a grant needs where/],
    [{ grants: [{ where: { sub: ['a'] }, project: 'team' }] }, /where: sub must be a text/],
    [{ grants: [{ where: { sub: 'a' } }] }, /either project or projectFrom/],
    [{ grants: [{ where: { sub: 'a' }, project: 'a', projectFrom: 'b' }] }, /either project or projectFrom/],
    [{ grants: [{ where: { sub: 'a' }, project: 'a', rights: ['x'], rightsFrom: 'b' }] }, /either rights or rightsFrom/],
    [{ grants: [{ where: { sub: 'a' }, project: 'a', rights: ['fly'] }] }, /there is no right 'fly'. Rights that can be given: /],
    [{ grants: [{ where: { sub: 'a' }, project: 'a', operator: 'yes' }] }, /operator must be true or false/],
    [{ grants: [{ where: { sub: 'a' }, project: 'a', role: 'x' }] }, /a grant has no 'role'/],
    [{ keys: 'http://keys.example' }, /keys must be the address/],
    [{ keys: '{"keys":[]}' }, /keys must be the address/],
    [{ keys: 7 }, /keys must be the address/],
  ])('%o is told', (more, problem) => {
    expect(() => parse(more)).toThrow(SettingsError)
    expect(() => parse(more)).toThrow(problem)
  })
})

test('one that stands there twice is refused: whose grants would hold?', () => {
  expect(() => parseIssuers([least, { ...least, url: 'https://other.example' }, least], 'x')).toThrow('stands there twice')
  expect(parseIssuers([least, { ...least, url: 'https://other.example' }], 'x')).toHaveLength(2)
})
