import { expect } from 'vitest'
import type { Db } from '../../src/store/db.ts'

/** before: its commit is never made · after: it is made, and the answer is lost · overtaken: another publishes first, for it was thought dead. */
export const cuts = ['before', 'after', 'overtaken'] as const
export type Cut = (typeof cuts)[number]

class CutOff extends Error {
  override name = 'CutOff'
}

const isPublication = (sql: string): boolean => sql.startsWith('update batches set status = v.column4, output_file_id')

/** A database that cuts off who publishes. */
export const cutOff = (db: Db, cut: Cut, overtake: () => Promise<void>): Db => ({
  ...db,
  async tx(work) {
    let publishes = false
    try {
      return await db.tx((tx) =>
        work({
          query(sql, values) {
            publishes = isPublication(sql)
            if (publishes) throw new CutOff() // NOTE: nothing is done yet: what it would be done to is not there before it is asked for
            return tx.query(sql, values)
          },
        }),
      )
    } catch (error) {
      if (!publishes || cut === 'before') throw error
    }
    if (cut === 'overtaken') await overtake()
    const done = await db.tx(work)
    if (cut === 'after') throw new CutOff()
    expect(done, 'it was published before').toEqual([false])
    return done
  },
})
