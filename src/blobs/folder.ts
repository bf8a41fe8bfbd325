import type { Blobs } from './blobs.ts'

export function openFolder(folder: string): Blobs {
  throw new Error(`not yet: ${folder}`)
}
