/** Before all tests: the servers that they need, where they can be had. What is left out is said by name. */
import { findPrograms, howToAdd, startPostgres } from './postgres-server.ts'

export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.NIGHTSHIFT_TEST_POSTGRES !== undefined) return undefined
  const programs = await findPrograms()
  if (programs === null) {
    console.warn(`Left out: all that needs PostgreSQL. To add it, ${howToAdd}.`)
    return undefined
  }
  const server = await startPostgres(programs)
  process.env.NIGHTSHIFT_TEST_POSTGRES = server.url
  return () => server.stop()
}
