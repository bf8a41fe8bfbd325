import type { Bucket } from './bucket.ts'

export function openFolderBucket(folder: string, bucket: string): Bucket {
  throw new Error(`not yet: ${folder} ${bucket}`)
}
