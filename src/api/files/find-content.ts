import { BlobMissing } from '../../blobs/blobs.ts'
import { BucketDenied, ObjectChanged, ObjectMissing } from '../../blobs/bucket.ts'
import { isAddress, locate } from '../../domain/address.ts'
import { isFileId, type ProjectId } from '../../domain/ids.ts'
import type { ContentKind } from '../../domain/rights.ts'
import { resultsPurpose } from '../../domain/wire.ts'
import { listGrants } from '../../store/buckets.ts'
import { findFile } from '../../store/files.ts'
import type { ApiParts } from '../parts.ts'

/** Bytes that can be streamed from anywhere within. */
export interface Content {
  readonly kind: ContentKind
  readonly filename: string
  readonly bytes: number
  /** Of an object: changes whenever its bytes do. */
  readonly tag: string | null
  /** @throws what `cannotBeRead` knows, when they are no longer there */
  read(range: { start: number; bytes: number }): AsyncIterable<Buffer>
}

/** A file of the project, or an object in a bucket that is granted to it; null for anything else. */
export async function findContent(
  { db, files, openBucket }: ApiParts,
  projectId: ProjectId,
  id: string,
): Promise<Content | null> {
  if (!isAddress(id)) {
    const file = isFileId(id) ? await findFile(db, projectId, id) : null
    const bytes = file && (await files.head(file.blob))
    if (!file || bytes === null) return null
    const kind = file.purpose === resultsPurpose ? 'results' : 'upload'
    return { kind, filename: file.filename, bytes: file.bytes, tag: null, read: (range) => files.read(file.blob, range) }
  }
  const located = locate(id, await listGrants(db, projectId))
  if (!located) return null
  const bucket = openBucket(located.grant.place, located.bucket)
  const seen = await bucket.head(located.key).catch((error: unknown) => {
    if (cannotBeRead(error)) return null
    throw error
  })
  return (
    seen && {
      kind: 'object',
      filename: located.key.slice(located.key.lastIndexOf('/') + 1),
      bytes: seen.bytes,
      tag: seen.tag,
      read: (range) => bucket.read(located.key, seen, range),
    }
  )
}

export const cannotBeRead = (error: unknown): boolean =>
  error instanceof BlobMissing ||
  error instanceof ObjectMissing ||
  error instanceof ObjectChanged ||
  error instanceof BucketDenied
