/** Objects by the many: putting small ones, listing and deleting. */
import { partsOf, inTurns } from '../turns.ts'
import type { S3Server } from './client.ts'
import { meaningOf, S3Failure } from './failure.ts'
import type { ObjectAt } from './object.ts'

const deletedAtOnce = 1000
const callsAtOnce = 16

/** @throws {S3Failure} */
export async function putObject(s3: S3Server, { bucket, key }: ObjectAt, bytes: Buffer, signal?: AbortSignal): Promise<void> {
  await s3.ask(
    `write '${key}' in '${bucket}'`,
    (client, o) => client.putObject({ Bucket: bucket, Key: key, Body: bytes, ContentType: 'application/octet-stream' }, o),
    signal,
    bytes.length,
  )
}

/** Objects whose keys begin with the prefix. @throws {S3Failure} */
export async function* listObjects(
  s3: S3Server,
  bucket: string,
  prefix: string,
): AsyncGenerator<{ readonly key: string; readonly bytes: number; readonly changedAt: number }> {
  for (let from: { ContinuationToken?: string } | null = {}; from;) {
    const asked: object = from
    const page = await s3.askBriefly(
      `list '${prefix}' in '${bucket}'`,
      (client, o) => client.listObjectsV2({ Bucket: bucket, Prefix: prefix, ...asked }, o),
      undefined,
      true,
    )
    for (const { Key: key, Size, LastModified } of page.Contents ?? [])
      if (key !== undefined) yield { key, bytes: Size ?? 0, changedAt: LastModified?.getTime() ?? 0 }
    from = page.NextContinuationToken === undefined ? null : { ContinuationToken: page.NextContinuationToken }
  }
}

/** Those that are not there are no failure. @throws {S3Failure} */
export async function deleteObjects(s3: S3Server, bucket: string, keys: readonly string[]): Promise<void> {
  const one = async (key: string): Promise<void> => {
    try {
      await s3.askBriefly(`delete '${key}' in '${bucket}'`, (client, o) => client.deleteObject({ Bucket: bucket, Key: key }, o))
    } catch (error) {
      if (!(error instanceof S3Failure) || meaningOf(error) !== 'no object') throw error
    }
  }
  const many = async (some: readonly string[]): Promise<void> => {
    const { Errors = [] } = await s3.askBriefly(
      `delete in '${bucket}'`,
      (client, o) => client.deleteObjects({ Bucket: bucket, Delete: { Objects: some.map((Key) => ({ Key })), Quiet: true } }, o),
      undefined,
      true,
    )
    const wrong = Errors.find(({ Code }) => Code !== 'NoSuchKey')
    if (wrong) throw new S3Failure(wrong.Code ?? 'Error', 403, `S3 could not delete '${wrong.Key}' in '${bucket}'`)
  }
  for (const some of partsOf(keys, deletedAtOnce))
    try {
      if (some.length === 1) await inTurns(some, 1, one)
      else await many(some)
    } catch (error) {
      if (!(error instanceof S3Failure) || !['refused', 'not known'].includes(meaningOf(error))) throw error
      await inTurns(some, callsAtOnce, one) // NOTE: some servers do not know the many, or want it signed in another way
    }
}
