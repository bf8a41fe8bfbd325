import type { Blobs } from '../../blobs/blobs.ts'

/** All whose names begin so. How many. */
export async function deleteAll(blobs: Blobs, prefix: string): Promise<number> {
  let names: string[] = []
  let count = 0
  for await (const { name } of blobs.list(prefix)) {
    names.push(name)
    count++
    if (names.length === 1000) {
      await blobs.delete(names)
      names = []
    }
  }
  await blobs.delete(names)
  return count
}
