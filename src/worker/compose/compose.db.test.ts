import { describe, expect, onTestFinished, test } from 'vitest'
import { openLife } from '../../../test/support/batch-life.ts'
import { chanceFrom } from '../../../test/support/chance.ts'
import { databases } from '../../../test/support/databases.ts'

describe.each(Object.entries(databases))('%s', (_name, open) => {
  test('a batch that a stop finds just claimed is given back at once', async () => {
    const db = await open()
    const life = await openLife(db, [3, 2])
    onTestFinished(async () => {
      await db[Symbol.asyncDispose]()
      await life[Symbol.asyncDispose]()
    })
    for (const chance = chanceFrom(1); await life.step(chance););
    const walks = () => db.query(`select status, owner, lease_until, fence from batches where id = $1`, [life.id])
    const [before] = await walks()
    await life.claimAndStop()
    const [after] = await walks()
    expect(after).toMatchObject({ status: 'in_progress', owner: null })
    expect([Number(after?.lease_until), Number(after?.fence)]).toEqual([0, Number(before?.fence) + 1])
    await life.compose()
    expect((await walks())[0]?.status).toBe('completed')
  })
})
