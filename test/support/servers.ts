/** Before all tests: the servers that they need, where they can be had. What is left out is said by name. */
import { findPrograms, howToAdd, startPostgres } from './postgres-server.ts'
import { howToAdd as howToAddS3, missingServers } from './s3-server.ts'

export async function setup(): Promise<(() => Promise<void>) | undefined> {
  const missing = missingServers()
  if (missing.length > 0) console.warn(`Left out: all that needs ${missing.join(' and ')} (S3). To add it, ${howToAddS3}.`)
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
