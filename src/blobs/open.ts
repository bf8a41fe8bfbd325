import { join } from 'node:path'
import type { BucketPlace } from '../domain/grant.ts'
import type { Blobs, BlobsPlace } from './blobs.ts'
import { openS3Blobs } from './blobs-s3.ts'
import type { Bucket } from './bucket.ts'
import { openFolderBucket } from './bucket-folder.ts'
import { openS3Bucket } from './bucket-s3.ts'
import { openFolder } from './folder.ts'

export function openBlobs(place: BlobsPlace): Blobs {
  switch (place.kind) {
    case 'folder':
      return openFolder(place.folder)
    case 's3':
      return openS3Blobs(place)
  }
}

/** For people. */
export const describePlace = (place: BlobsPlace): string =>
  place.kind === 'folder' ? place.folder : `s3://${place.bucket}/${place.prefix} on ${place.endpoint}`

/** `bucket` is the name that was asked for: a grant may be a pattern. */
export function openBucket(place: BucketPlace, bucket: string): Bucket {
  switch (place.kind) {
    case 'folder':
      return openFolderBucket(place.folder, bucket)
    case 's3':
      return openS3Bucket(place, bucket)
  }
}

export type OpenBucket = typeof openBucket

const remembered = 64

/** A bucket on S3 has connections of its own: those who open the same one share them. */
export function rememberBuckets(open: OpenBucket): OpenBucket {
  const known = new Map<string, Bucket>()
  return (place, bucket) => {
    const key = JSON.stringify([bucket, place])
    const one = known.get(key) ?? open(place, bucket)
    known.delete(key)
    known.set(key, one)
    const [oldest] = known.keys()
    if (known.size > remembered && oldest !== undefined) known.delete(oldest)
    return one
  }
}

/** The two stores of a server, side by side in one place: uploads and results that are files, and what only runs need. */
export function placesIn(root: BlobsPlace): { files: BlobsPlace; scratch: BlobsPlace } {
  const under = (name: string): BlobsPlace =>
    root.kind === 'folder' ? { ...root, folder: join(root.folder, name) } : { ...root, prefix: `${root.prefix}${name}/` }
  return { files: under('files'), scratch: under('scratch') }
}
