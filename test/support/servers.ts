/** Before all tests: the servers that they need, where they can be had. What is left out is said by name; with NIGHTSHIFT_TEST_ALL nothing may be. */
import { findPrograms, howToAdd, startPostgres } from './postgres-server.ts'
import { findPooler, howToAdd as howToAddPooler } from './pooler.ts'
import { howToAdd as howToAddS3, missingServers } from './s3-server.ts'

export async function setup(): Promise<(() => Promise<void>) | undefined> {
  const missing = missingServers()
  if (missing.length > 0) leaveOut(`${missing.join(' and ')} (S3)`, howToAddS3)
  if ((await findPooler()) === null) leaveOut('PgBouncer', howToAddPooler)
  if (process.env.NIGHTSHIFT_TEST_POSTGRES !== undefined) return undefined
  const programs = await findPrograms()
  if (programs === null) return leaveOut('PostgreSQL', howToAdd)
  try {
    const server = await startPostgres(programs)
    process.env.NIGHTSHIFT_TEST_POSTGRES = server.url
    return () => server.stop()
  } catch (error) {
    return leaveOut(`PostgreSQL, which does not start (${String(error)})`, howToAdd)
  }
}

function leaveOut(what: string, how: string): undefined {
  const said = `Left out: all that needs ${what}. To add it, ${how}.`
  if (process.env.NIGHTSHIFT_TEST_ALL !== undefined) throw new Error(said)
  console.warn(said)
}
