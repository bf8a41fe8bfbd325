import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { databases } from '../../test/support/databases.ts'
import type { ProjectId } from '../domain/ids.ts'
import type { Issuer } from '../domain/issuer.ts'
import { systemClock } from '../kit/clock.ts'
import { beginErasure } from '../store/erasures.ts'
import { listKeys, revokeKey } from '../store/keys.ts'
import { insertProject } from '../store/projects.ts'
import { makeSubjects } from './subjects.ts'

const { privateKey, publicKey } = await generateKeyPair('ES256')
const team = { id: 'p1' as ProjectId, name: 'team', isDefault: true, weight: 1, createdAt: 0, keepMs: null, erasingAt: null }
const other = 'p2' as ProjectId
const issuer: Issuer = {
  url: 'https://issuer.example',
  audiences: ['night'],
  keys: { kind: 'given', set: { keys: [{ ...(await exportJWK(publicKey)), kid: 'one' }] } },
  grants: [
    {
      where: { sub: '*' },
      projects: { kind: 'claim', claim: 'teams' },
      rights: { kind: 'claim', claim: 'may' },
      isOperator: false,
    },
  ],
}
const token = (sub: string, teams: string[], may = 'batches:read') =>
  new SignJWT({ teams, may })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setIssuer(issuer.url)
    .setAudience('night')
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey)

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  async function open() {
    const db = await openDb()
    await insertProject(db, team)
    await insertProject(db, { ...team, id: other, name: 'other', isDefault: false })
    let ids = 0
    const parts = { db, clock: systemClock, newUuid: () => `key-${ids++}`, fetch: () => Promise.reject(new Error('asked')) }
    return { db, subjectOf: makeSubjects([issuer], parts), [Symbol.asyncDispose]: () => db[Symbol.asyncDispose]() }
  }

  test('of twenty first tokens at once one row comes, and each later one adds where the subject has been', async () => {
    await using at = await open()
    const keys = await Promise.all(
      Array.from({ length: 20 }, async (__, i) => at.subjectOf(await token('ci', [team.name], i % 2 ? 'files:read' : undefined))),
    )
    expect(new Set(keys.map((key) => key?.id)).size).toBe(1)
    for (const [i, key] of keys.entries()) expect(key?.access[0]?.rights).toEqual([i % 2 ? 'files:read' : 'batches:read'])
    expect(await at.subjectOf(await token('other', ['other']))).not.toMatchObject({ id: keys[0]?.id })
    await at.subjectOf(await token('ci', ['other'], 'usage:read'))
    expect(await listKeys(at.db, other)).toMatchObject([
      { name: 'ci', projectId: team.id, issuer: issuer.url, access: expect.arrayContaining([{ projectId: other, projectName: 'other', rights: ['usage:read'] }]) as unknown }, // prettier-ignore
      { name: 'other' },
    ])
  })

  test('one that was revoked stays revoked, whatever its next token says', async () => {
    await using at = await open()
    const key = await at.subjectOf(await token('ci', [team.name]))
    await revokeKey(at.db, key?.id ?? '', 1)
    expect(await at.subjectOf(await token('ci', ['other'], 'files:read'))).toMatchObject({ revokedAt: 1 })
    expect(await listKeys(at.db, other)).toEqual([])
  })

  test('one that was revoked stays revoked when its project is erased', async () => {
    await using at = await open()
    const key = await at.subjectOf(await token('ci', ['other']))
    const left = await at.subjectOf(await token('left', ['other']))
    await revokeKey(at.db, key?.id ?? '', 1)
    await beginErasure(at.db, other, 'other')
    expect(await at.subjectOf(await token('ci', [team.name]))).toMatchObject({ id: key?.id, name: '', revokedAt: 1 })
    expect(await at.subjectOf(await token('left', [team.name]))).not.toMatchObject({ id: left?.id })
  })

  test('a token and the erasure of its project at once leave no row of that', async () => {
    for (let round = 0; round < 4; round++) {
      await using at = await open()
      const tokens = await Promise.all(
        Array.from({ length: 6 }, (__, i) => token(`ci-${i}`, i % 2 ? ['other'] : ['other', team.name])),
      )
      const opened = tokens.map((one) => at.subjectOf(one).catch((error: unknown) => error))
      await Promise.all([beginErasure(at.db, other, 'other'), ...opened])
      expect(await listKeys(at.db, other)).toEqual([])
      expect(await at.db.query(`select id from keys where project_id = $1`, [other])).toEqual([])
      await expect(token('ci-1', ['other']).then(at.subjectOf)).rejects.toThrow('none of its claims opens a project')
    }
  })
})
