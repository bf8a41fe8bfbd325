import { describe, expect, test } from 'vitest'
import { databases } from '../../test/support/databases.ts'
import type { KeyId } from '../domain/ids.ts'
import { periodOf, stepOf } from '../domain/rate.ts'
import { takeRate } from './rates.ts'

describe.each(Object.entries(databases))('%s', (_, open) => {
  test('of fifty at once as many are let through as may be, and each key has its own', async () => {
    await using db = await open()
    const ask = (keyId: string) => ({
      keyId: keyId as KeyId,
      kind: 'creates',
      step: stepOf('creates', 10),
      period: periodOf('creates'),
    })
    const takes = await Promise.all(Array.from({ length: 50 }, (__, i) => takeRate(db, ask(i % 2 ? 'a' : 'b'))))
    const taken = (which: number) => takes.filter((take, i) => i % 2 === which && take.taken).length
    expect([taken(0), taken(1)]).toEqual([10, 10])
    const refused = await takeRate(db, ask('a'))
    expect(refused.taken).toBe(false)
    expect(refused.ahead).toBeGreaterThan(periodOf('creates') - stepOf('creates', 10))
  })
})
