import type { BlobSource } from './blobs.ts'

/** An object as it was seen once: `tag` changes whenever its bytes do (S3: the ETag; folder: device, inode, size and time of change). */
export interface ObjectSeen {
  readonly bytes: number
  readonly tag: string
}

/**
 * Bytes that are written whole beside their name, durable, and not yet visible under it. `handle` names them for `publish` and `discard`, also after a restart.
 * `tag` is what the object is expected to have: a server may give it another one.
 */
export interface Staged extends ObjectSeen {
  readonly handle: string
}

/** What stands under a name: nothing, what was staged (as it is seen there, with the tag that it has), or something else. */
export type Standing = 'free' | 'foreign' | ObjectSeen

/** What may be said of a staging. */
export interface Staging {
  /** The size, where it is known before. */
  readonly bytes?: number
  /** Told the handle before the first byte is there, so that it can be discarded whatever happens; what this throws ends the staging. */
  begun?(handle: string): Promise<void>
}

/** One bucket as a project may use it. Keys are as the user wrote them, decoded. */
export interface Bucket {
  /** Could an object have this key here at all? */
  canHold(key: string): boolean
  /** null: no such object. @throws {BucketDenied} */
  head(key: string): Promise<ObjectSeen | null>
  /** @throws {ObjectMissing | ObjectChanged | BucketDenied}; ObjectChanged when the object is no longer the one that was seen. A chunk is good until the next is asked for. */
  read(key: string, seen: ObjectSeen, range?: { start: number; bytes?: number }, signal?: AbortSignal): AsyncIterable<Buffer>
  /** Proves the right to write beside `key` and leaves nothing; killed halfway, something that `discardStaged` finds by its owner. @throws {BucketDenied} */
  proveWrite(key: string, owner: string): Promise<void>
  /** `owner` (batch id and fence) makes the name of what is staged, so that a later owner can find and discard it. @throws {BucketDenied} */
  stage(key: string, owner: string, source: BlobSource, signal?: AbortSignal, staging?: Staging): Promise<Staged>
  /** @throws {BucketDenied} */
  standing(key: string, staged: Staged | null): Promise<Standing>
  /**
   * Makes staged bytes appear under the key, unless there is an object already: `taken`. Doing it twice is the same if the object is the staged one. Gives the
   * object as it is seen there.
   */
  publish(key: string, staged: Staged): Promise<ObjectSeen | 'taken'>
  discard(key: string, handle: string): Promise<void>
  /**
   * Discards whatever is staged beside `key` by owners whose name begins with `ownerPrefix`, also what a killed process left half written. S3 does not say
   * whose an upload is: there only what was left of proofs is found, and what was staged must be discarded by its handle.
   */
  discardStaged(key: string, ownerPrefix: string): Promise<void>
  /** Deletes the object if it is still the one that was seen; true if it was (or was gone). */
  delete(key: string, seen: ObjectSeen): Promise<boolean>
}

export class ObjectMissing extends Error {
  override name = 'ObjectMissing'
}
export class ObjectChanged extends Error {
  override name = 'ObjectChanged'
}
/** `right` says which one is missing; the message names bucket, key and what to do, never a credential. */
export class BucketDenied extends Error {
  override name = 'BucketDenied'
  readonly right: 'read' | 'write'
  constructor(right: 'read' | 'write', message: string, options?: ErrorOptions) {
    super(message, options)
    this.right = right
  }
}
