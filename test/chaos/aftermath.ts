import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { bucket, scratchBucket, type Fleet } from './fleet.ts'
import type { Run } from './customers.ts'

/**
 * What is left once every batch has ended and the hour has passed after which the janitor looks for the last time: it is passed by setting the rows' times back, again and again,
 * since what comes late within that hour (a put that stood still for its minute and is sent again) comes here within the time that is looked. Gives what should not be there, in
 * words.
 */
export async function leftBehind(fleet: Fleet, runs: readonly Run[], withinMs = 60_000): Promise<string[]> {
  const db = new pg.Client(fleet.postgres.url)
  await db.connect()
  try {
    await db.query(`update uploads set renewed_until = 0`)
    for (const end = Date.now() + withinMs; ; await pause(500)) {
      await db.query(`update batches set sweep_at = 0, sweeps = least(sweeps, 1) where sweep_at > 0`)
      const found = await look(fleet, db, runs)
      if (found.length === 0 || Date.now() > end) return found
    }
  } finally {
    await db.end()
  }
}

async function look({ s3 }: Fleet, db: pg.Client, runs: readonly Run[]): Promise<string[]> {
  const found: string[] = []
  const rows = async (sql: string) => (await db.query<{ what: string }>(sql)).rows.map(({ what }) => what)
  const note = (what: string, names: readonly string[]) =>
    names.length > 0 && found.push(`${names.length} ${what}: ${names.slice(0, 3).join(', ')}`)
  note('shards', await rows(`select batch_id || '/' || number as what from shards`))
  note('segments', await rows(`select blob as what from segments`))
  note('announced uploads', await rows(`select blob as what from uploads`))
  note('names reserved for nothing', await rows(`select key as what from outputs where published_at is null`))
  note('open batches', await rows(`select id as what from batches where status in ('validating', 'in_progress', 'cancelling')`))

  const named = new Set((await rows(`select blob as what from files`)).map((blob) => `prod/files/${blob}`))
  const blobs = await namesIn(s3, scratchBucket)
  note(
    'blobs that nobody names',
    blobs.filter((name) => !named.has(name) && name !== 'prod/files/store-mark'),
  )
  const there = new Set(blobs)
  note(
    'files without their blob',
    [...named].filter((name) => !there.has(name)),
  )

  const expected = new Set<string>()
  for (const { from, lines, ended } of runs) {
    if (from !== 'an object') continue
    expected.add(`${lines.mark}/in put+1.jsonl`)
    for (const address of [ended.output_file_id, ended.error_file_id])
      if (address?.startsWith('s3://')) expected.add(decodeURIComponent(address.slice(`s3://${bucket}/`.length)))
  }
  note(
    'objects that nobody names',
    (await namesIn(s3, bucket)).filter((name) => !expected.has(name)),
  )
  const { Uploads = [] } = await s3.listMultipartUploads({ Bucket: bucket })
  note(
    'uploads in parts beside the objects',
    Uploads.map(({ Key }) => Key ?? ''),
  )
  return found
}

async function namesIn(s3: Fleet['s3'], Bucket: string): Promise<string[]> {
  const names: string[] = []
  for (let ContinuationToken: string | undefined; ;) {
    const page = await s3.listObjectsV2({ Bucket, ...(ContinuationToken !== undefined && { ContinuationToken }) })
    names.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''))
    if (!page.IsTruncated) return names
    ContinuationToken = page.NextContinuationToken
  }
}
