import { describe, expect, test } from 'vitest'
import { grantedBy, projectsOfTokenAtMost, type IssuerGrant, type Said } from './issuer.ts'

const these = (...names: string[]): Said => ({ kind: 'these', names })
const claim = (name: string): Said => ({ kind: 'claim', claim: name })
const grant = (where: Record<string, string>, more: Partial<IssuerGrant> = {}): IssuerGrant => ({
  where,
  projects: these('team'),
  rights: these('batches:read'),
  isOperator: false,
  ...more,
})
const allows = (where: Record<string, string>, claims: Record<string, unknown>) =>
  grantedBy([grant(where)], claims).projects.size === 1

describe('what the claims of a token open', () => {
  test('all that a grant names must be there and fit; a pattern is the whole value', () => {
    expect(allows({ sub: 'a' }, { sub: 'a' })).toBe(true)
    expect(allows({ sub: 'a', ref: 'main' }, { sub: 'a' })).toBe(false)
    expect(allows({ repo: 'acme/*' }, { repo: 'acme/evals' })).toBe(true)
    expect(allows({ repo: 'acme/*' }, { repo: 'evil/acme/evals' })).toBe(false)
    expect(allows({ repo: '*/evals' }, { repo: 'acme/evals-2' })).toBe(false)
    expect(allows({ repo: 'a*b*c' }, { repo: 'a-b-b-c' })).toBe(true)
    expect(allows({ repo: 'ab*ba' }, { repo: 'aba' }), 'no character counts twice').toBe(false)
    expect(allows({ repo: '*x*x*' }, { repo: '-x-' })).toBe(false)
    expect(allows({ repo: 'a.c' }, { repo: 'abc' })).toBe(false)
    expect(allows({ repo: '*' }, { repo: '' })).toBe(true)
    expect(allows({ repo: '*' }, {})).toBe(false)
  })

  test('one of several values is enough; numbers and truths are read as text, objects are not', () => {
    expect(allows({ groups: 'ml-*' }, { groups: ['hr', 'ml-eval'] })).toBe(true)
    expect(allows({ level: '3', admin: 'true' }, { level: 3, admin: true })).toBe(true)
    expect(allows({ team: '*' }, { team: { name: 'x' } })).toBe(false)
    expect(allows({ team: '*' }, { team: null })).toBe(false)
  })

  test('a claim within others is found by dots, one whose name has dots by its name', () => {
    expect(allows({ 'kubernetes.io.namespace': 'night' }, { 'kubernetes.io': { namespace: 'night' } })).toBe(true)
    expect(allows({ 'https://acme.com/team': 'x' }, { 'https://acme.com/team': 'x' })).toBe(true)
    expect(allows({ 'a.b': 'x' }, { a: { b: 'y' }, 'a.b': 'x' })).toBe(true)
    for (const inherited of ['constructor.name', '__proto__.x', 'toString'])
      expect(allows({ [inherited]: '*' }, {}), inherited).toBe(false)
  })

  test('projects and rights may be what the token says, as far as there are such rights', () => {
    const said = grant({ sub: '*' }, { projects: claim('teams'), rights: claim('scope') })
    const open = (claims: Record<string, unknown>) => [...grantedBy([said], { sub: 'a', ...claims }).projects]
    expect(open({ teams: ['one', 'two words'], scope: 'openid batches:read  files:read operator' })).toEqual([
      ['one', ['batches:read', 'files:read']],
      ['two words', ['batches:read', 'files:read']],
    ])
    expect(open({ teams: 'one', scope: 'openid' })).toEqual([])
    expect(open({ scope: 'batches:read' })).toEqual([])
    const many = Array.from({ length: 150 }, (_, i) => `p${i}`)
    expect(open({ teams: many, scope: ['batches:read'] })).toHaveLength(projectsOfTokenAtMost)
  })

  test('rights of several grants add up, the first project stays the first, and an operator is one whose grant opens a project', () => {
    const grants = [
      grant({ sub: 'a' }),
      grant({ sub: 'a' }, { projects: these('other', 'team'), rights: these('files:read', 'batches:read') }),
      grant({ role: 'boss' }, { isOperator: true, projects: claim('boss_of') }),
    ]
    const { projects, isOperator } = grantedBy(grants, { sub: 'a', role: 'boss' })
    expect([...projects]).toEqual([
      ['team', ['batches:read', 'files:read']],
      ['other', ['files:read', 'batches:read']],
    ])
    expect(isOperator).toBe(false)
    expect(grantedBy(grants, { role: 'boss', boss_of: 'team' }).isOperator).toBe(true)
  })
})
