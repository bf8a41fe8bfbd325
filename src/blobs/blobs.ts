import type { S3Access } from '../domain/grant.ts'

/** A stretch of a blob: from `start`, `bytes` long. */
export interface BlobRange {
  readonly name: string
  readonly start: number
  readonly bytes: number
}

/** What a stream yields is its own again once the next chunk is asked for: who needs it longer copies it. */
export type BlobSource = Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>

/**
 * Immutable bytes under names of the form `a/b/c` ([A-Za-z0-9._-] and `/`). Two adapters (folder, S3), one contract test.
 * A blob is whole or absent: a put that fails or is killed leaves nothing under the name. A put under a name that exists replaces it.
 */
export interface Blobs {
  /** null: nowhere that another store could lie. */
  readonly place: BlobsPlace | null
  /** Durable when it resolves. Gives the size. */
  put(name: string, source: BlobSource, signal?: AbortSignal): Promise<number>
  /** The bytes from `start` (default 0), `bytes` long (default: to the end), in chunks of at most 1 MiB; a chunk is good until the next is asked for. @throws {BlobMissing} */
  read(name: string, range?: { start: number; bytes?: number }, signal?: AbortSignal): AsyncIterable<Buffer>
  /** A stretch at once, in the memory that is given (at least as long), else in new memory. @throws {BlobMissing}; also when the blob is shorter than asked for. */
  readRange(range: BlobRange, signal?: AbortSignal, into?: Buffer): Promise<Buffer>
  /** Size in bytes, or null if there is no such blob. */
  head(name: string): Promise<number | null>
  /**
   * One blob from stretches of others, in order, which lie in `from`. Of a store in the same place their bytes do not come through this process where that can
   * be had: on S3 the server copies them, in a folder they are linked. Gives the size. @throws {BlobMissing}
   */
  compose(name: string, parts: readonly BlobRange[], from: Blobs, signal?: AbortSignal): Promise<number>
  /** Deletes; names that do not exist are no error. */
  delete(names: readonly string[]): Promise<void>
  /** Removes what puts left half written that were killed: what has not been written to since `olderThan` (ms). */
  sweepTemporary(olderThan: number): Promise<void>
  list(prefix: string): AsyncIterable<{ readonly name: string; readonly bytes: number; readonly changedAt: number }>
}

/** A store of blobs in a bucket on S3, under a prefix that nothing else uses. The prefix is empty or ends with a slash. */
export interface S3BlobsPlace extends S3Access {
  readonly kind: 's3'
  readonly bucket: string
  readonly prefix: string
}

/** How to open a store of blobs, as a value that can be sent to another thread or process. */
export type BlobsPlace = { readonly kind: 'folder'; readonly folder: string } | S3BlobsPlace

export class BlobMissing extends Error {
  override name = 'BlobMissing'
}
/** The disk or the quota is full. */
export class NoRoom extends Error {
  override name = 'NoRoom'
}

/** Names are ours: a wrong one is a fault of ours. */
export function checkBlobName(name: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/.test(name)) throw new Error(`not a blob name: '${name}'`)
  return name
}

/** Stretches of blobs as one source. */
export async function* readAll(from: Blobs, ranges: readonly BlobRange[], signal?: AbortSignal): AsyncGenerator<Buffer> {
  for (const { name, start, bytes } of ranges) if (bytes > 0) yield* from.read(name, { start, bytes }, signal)
}
