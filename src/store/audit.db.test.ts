import { describe, expect, onTestFinished, test } from 'vitest'
import { databases } from '../../test/support/databases.ts'
import { handClock } from '../../test/support/hand-clock.ts'
import type { AuditEntry } from '../domain/audit.ts'
import type { KeyId, ProjectId } from '../domain/ids.ts'
import { insertAudit, listAudit, pruneAudit } from './audit.ts'

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  test('newest first, of one project or of all; told twice it is there once; what is old goes, oldest first', async () => {
    const clock = handClock()
    const db = await openDb(clock)
    onTestFinished(() => db[Symbol.asyncDispose]())
    const entry = (n: number): AuditEntry => ({
      id: `id-${n}`,
      at: clock.now() - 10_000 + n * 1000,
      projectId: n % 3 === 0 ? null : (`p${n % 3}` as ProjectId),
      keyId: n % 3 === 0 ? null : ('k' as KeyId),
      operation: 'batches.create',
      target: n % 2 === 0 ? null : `t${n}`,
      address: '::1',
      status: 200,
    })
    const all = Array.from({ length: 9 }, (_x, n) => entry(n))
    await insertAudit(db, all)
    await insertAudit(db, all.slice(5))
    await insertAudit(db, [])
    expect(await listAudit(db, null, null, 100)).toEqual(all.toReversed())
    expect(await listAudit(db, 'p1' as ProjectId, null, 2)).toEqual([all[7], all[4]])
    expect(await listAudit(db, 'p1' as ProjectId, 'id-4', 2)).toEqual([all[1]])
    expect(await pruneAudit(db, 5000, 2)).toBe(2)
    expect(await pruneAudit(db, 5000, 100)).toBe(4)
    expect((await listAudit(db, null, null, 100)).map(({ id }) => id)).toEqual(['id-8', 'id-7', 'id-6'])
  })
})
