import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { openClient, type Client } from '../client.ts'
import type { Settings } from '../config.ts'
import { openOffice, openStore, type Store } from '../operating.ts'
import { exit, Failure } from './failure.ts'

/** Works on the database of the data folder, beside a running server. */
export async function inStore<T>(settings: Settings, work: (db: Store) => Promise<T>, mayMake = false): Promise<T> {
  if (!mayMake && settings.database === '' && !existsSync(resolve(settings.data)))
    throw new Failure(
      `There is no data folder ${resolve(settings.data)}: give the one of your server with --data, or start "nightshift serve", which makes it.`,
      exit.usage,
    )
  const db = await openStore(settings)
  try {
    return await work(db)
  } finally {
    await db[Symbol.asyncDispose]()
  }
}

/** NOTE: a container may run as a number that has no name. */
function whoAmI(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.()}`
  }
}

/** The same calls as of a server far away, answered here. */
export const inLocalOffice = <T>(settings: Settings, work: (office: Client) => Promise<T>, mayMake: boolean): Promise<T> =>
  inStore(
    settings,
    async (db) => {
      await using api = await openOffice(db, settings, whoAmI())
      return await work(openClient({ url: 'http://localhost', key: 'none', fetch: api.fetch }))
    },
    mayMake,
  )
