import type { FastifyReply } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { databases } from '../../../test/support/databases.ts'
import type { Caller } from '../../auth/caller.ts'
import type { KeyId, ProjectId } from '../../domain/ids.ts'
import { systemClock as clock } from '../../kit/clock.ts'
import type { Db } from '../../store/db.ts'
import { makeThrottle } from './rates.ts'

const reply = { headers: () => reply } as unknown as FastifyReply

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  test.each([
    [1000, 60, 60, 2],
    [1000, 250, 250, 5],
    [1, 40, 1, 4],
  ])('of a limit of %i a second, %i at once: %i go through, with at most %i statements', async (limit, atOnce, through, most) => {
    const db = await openDb()
    onTestFinished(() => db[Symbol.asyncDispose]())
    let statements = 0
    const counted: Db = { ...db, query: (...ask) => (statements++, db.query(...ask)) }
    const throttle = makeThrottle({ db: counted, clock }, {})
    const caller: Caller = {
      keyId: 'k' as KeyId,
      projectId: 'p' as ProjectId,
      rights: new Set(),
      limits: { requests_per_second: limit },
    }
    const said = await Promise.allSettled(Array.from({ length: atOnce }, () => throttle(caller, 'batches.get', reply)))
    expect(said.filter(({ status }) => status === 'fulfilled')).toHaveLength(through)
    expect(statements).toBeLessThanOrEqual(most)
  })
})
