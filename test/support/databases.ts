import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, type Clock } from '../../src/kit/clock.ts'
import type { Db } from '../../src/store/db.ts'
import { openDatabase } from '../../src/store/open.ts'

/** Every database that the store knows, each empty and of its own: store tests run on all of them. */
export const databases: Readonly<Record<string, (clock?: Clock) => Promise<Db>>> = {
  async sqlite(clock = systemClock) {
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-db-'))
    const db = await openDatabase({ folder, clock })
    return {
      ...db,
      async [Symbol.asyncDispose]() {
        await db[Symbol.asyncDispose]()
        await rm(folder, { recursive: true })
      },
    }
  },
}
