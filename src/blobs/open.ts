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

/** `bucket` is the name that was asked for: a grant may be a pattern. */
export function openBucket(place: BucketPlace, bucket: string): Bucket {
  switch (place.kind) {
    case 'folder':
      return openFolderBucket(place.folder, bucket)
    case 's3':
      return openS3Bucket(place, bucket)
  }
}

/** The two stores of a server, side by side in one place: uploads and results that are files, and what only runs need. */
export function placesIn(root: BlobsPlace): { files: BlobsPlace; scratch: BlobsPlace } {
  const under = (name: string): BlobsPlace =>
    root.kind === 'folder' ? { ...root, folder: join(root.folder, name) } : { ...root, prefix: `${root.prefix}${name}/` }
  return { files: under('files'), scratch: under('scratch') }
}
