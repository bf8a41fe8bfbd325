import type { BucketPlace } from '../domain/grant.ts'
import type { Blobs, BlobsPlace } from './blobs.ts'
import type { Bucket } from './bucket.ts'
import { openFolderBucket } from './bucket-folder.ts'
import { openFolder } from './folder.ts'

export function openBlobs(place: BlobsPlace): Blobs {
  return openFolder(place.folder)
}

/** `bucket` is the name that was asked for: a grant may be a pattern. */
export function openBucket(place: BucketPlace, bucket: string): Bucket {
  switch (place.kind) {
    case 'folder':
      return openFolderBucket(place.folder, bucket)
    case 's3':
      throw new Error(
        `Bucket '${bucket}' lies on S3 (${place.endpoint}), which this version cannot open yet. Grant it as a folder.`,
      )
  }
}
