/**
 * A bucket on S3. What is staged is an upload in parts that is not completed: its handle has all that completing it takes, also for another process. No upload
 * is ever aborted but one whose handle is known, or whose key says that it was a proof of ours.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { S3Place } from '../domain/grant.ts'
import { BucketDenied, ObjectChanged, ObjectMissing, type Bucket, type Staged, type Standing } from './bucket.ts'
import { makeBreaker, type BreakerTimes } from './s3/breaker.ts'
import { openS3, type Patience } from './s3/client.ts'
import { cutParts } from './s3/cut.ts'
import { meaningOf, S3Failure, whyRefused } from './s3/failure.ts'
import { deleteIfSame, download, lookAt, type Looked } from './s3/object.ts'
import { partBytes } from './s3/parts.ts'
import { abortUpload, beginUpload, completeUpload, openUploads, orAbort, sendParts } from './s3/upload.ts'

const markOfOurs = 'nightshift-mark'
const batchOfOurs = 'nightshift-batch'

const breakerTimes = { silentMs: 5000, restMs: 5000 }

export function openS3Bucket(place: S3Place, bucket: string, patience?: Patience, times: BreakerTimes = breakerTimes): Bucket {
  const s3 = openS3(place, patience, makeBreaker(times))
  const at = (key: string) => ({ bucket, key })
  const canHold = (key: string) => isBucketName(bucket) && isKey(key) && key.startsWith(place.prefix ?? '')

  function mayWrite(key: string): void {
    if (!place.write)
      throw new BucketDenied(
        'write',
        `Bucket '${bucket}' may be read and not written, so nothing can appear beside '${key}': its settings say write: false.`,
      )
    if (!canHold(key)) throw new BucketDenied('write', `'${key}' cannot be the name of an object in bucket '${bucket}'.`)
  }

  /** What the caller is told of a failure. */
  function told(right: 'read' | 'write', key: string, error: unknown): unknown {
    if (!(error instanceof S3Failure)) return error
    const why = whyRefused(error, right === 'read' ? `read '${key}' in` : `write '${key}' in`, bucket, place.endpoint)
    if (why !== null) return new BucketDenied(right, why, { cause: error })
    if (right === 'write' && meaningOf(error) === 'no object')
      return new BucketDenied('write', `'${key}' cannot be the name of an object in bucket '${bucket}' (S3 said ${error.code}).`)
    return error
  }
  const telling = async <T>(right: 'read' | 'write', key: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw told(right, key, error)
    }
  }

  async function look(key: string): Promise<Looked | null> {
    if (!place.read)
      throw new BucketDenied('read', `Bucket '${bucket}' may not be read, nor '${key}' in it: its settings say read: false.`)
    return canHold(key) ? telling('read', key, () => lookAt(s3, at(key))) : null
  }

  /**
   * NOTE: the mark alone tells where there is one. The same bytes that were staged twice have one tag; and what a server makes of the tags of the parts is its own
   * affair, with keys of its own (SSE-KMS) no digest at all.
   */
  async function standing(key: string, staged: Staged | null): Promise<Standing> {
    const seen = await look(key)
    if (!seen) return 'free'
    const marks = { staged: staged && parseHandle(staged.handle)?.mark, there: seen.metadata[markOfOurs] }
    const isStaged = marks.staged && marks.there ? marks.staged === marks.there : seen.tag === staged?.tag
    return isStaged ? { bytes: seen.bytes, tag: seen.tag } : 'foreign'
  }

  return {
    canHold,
    standing,
    async head(key) {
      const seen = await look(key)
      return seen && { bytes: seen.bytes, tag: seen.tag }
    },
    async *read(key, seen, range = { start: 0 }, signal) {
      const missing = () => new ObjectMissing(`There is no object '${key}' in bucket '${bucket}'.`)
      if (!canHold(key) || !place.read) {
        await look(key)
        throw missing()
      }
      const end = Math.min(seen.bytes, range.start + (range.bytes ?? Infinity))
      try {
        yield* download(s3, at(key), { start: range.start, end, tag: seen.tag }, signal)
      } catch (error) {
        const meaning = error instanceof S3Failure ? meaningOf(error) : null
        if (meaning === 'no object') throw missing()
        if (meaning === 'condition' || meaning === 'range')
          throw new ObjectChanged(`The object '${key}' in bucket '${bucket}' has changed.`)
        throw told('read', key, error)
      }
    },
    async proveWrite(key, owner) {
      mayWrite(key)
      const probe = probeOf(key, owner)
      await look(probe) // NOTE: with no right to list, S3 does not tell what is missing from what is forbidden
      await telling('write', key, async () => abortUpload(s3, await beginUpload(s3, at(probe), {})))
    },
    async stage(key, owner, source, signal, { bytes: whole, begun } = {}) {
      mayWrite(key)
      const mark = randomUUID()
      return telling('write', key, async () => {
        const upload = await beginUpload(s3, at(key), { [batchOfOurs]: batchOf(owner), [markOfOurs]: mark }, signal)
        return orAbort(s3, upload, async () => {
          await begun?.(handleOf({ id: upload.id, mark, tags: [] }))
          const parts = cutParts(source, (number) => partBytes(number, whole), signal)
          const { bytes, tags } = await sendParts(s3, upload, parts, signal)
          return { bytes, tag: tagOfWhole(tags), handle: handleOf({ id: upload.id, mark, tags }) }
        })
      })
    },
    async publish(key, staged) {
      mayWrite(key)
      const handle = parseHandle(staged.handle)
      if (!handle) throw new Error(`nothing is staged for '${key}' in bucket '${bucket}' under this handle`)
      const upload = { ...at(key), id: handle.id }
      const appeared = async () => {
        const found = await standing(key, staged)
        return found === 'free' ? null : found === 'foreign' ? 'taken' : found
      }
      const before = await appeared()
      if (before) return before
      return telling('write', key, async () => {
        let tag: string
        try {
          tag = await completeUpload(s3, upload, handle.tags, { ifNone: true })
        } catch (error) {
          const after = await appeared()
          if (after) return after
          if (!(error instanceof S3Failure) || meaningOf(error) !== 'not known') throw error
          tag = await completeUpload(s3, upload, handle.tags)
        }
        const now = tag === staged.tag ? null : await standing(key, staged)
        return now === null || typeof now === 'string' ? { bytes: staged.bytes, tag } : now
      })
    },
    async discard(key, text) {
      const handle = parseHandle(text)
      if (handle) await telling('write', key, () => abortUpload(s3, { ...at(key), id: handle.id }))
    },
    async discardStaged(key, ownerPrefix) {
      mayWrite(key)
      try {
        for await (const upload of openUploads(s3, bucket, probeOf(key, ownerPrefix))) await abortUpload(s3, upload)
      } catch (error) {
        // NOTE: not worth a right of its own: a proof that was killed has no bytes
        if (!(error instanceof S3Failure) || meaningOf(error) !== 'refused') throw told('write', key, error)
      }
    },
    async delete(key, seen) {
      mayWrite(key)
      return telling('write', key, () => deleteIfSame(s3, at(key), seen.tag))
    },
  }
}

/** NOTE: the client reads a name with colons, or one of these endings, as something that is reached elsewhere. */
const isBucketName = (bucket: string): boolean => /^[a-z0-9][a-z0-9._-]{1,62}$/i.test(bucket) && !/--[a-z]+-s3$/.test(bucket)

/** NOTE: a key with dots for a part could lead out of the bucket on its way. */
const isKey = (key: string): boolean =>
  key !== '' &&
  Buffer.byteLength(key) <= 1024 &&
  !key.includes('\0') &&
  key.split('/').every((part) => part !== '.' && part !== '..')

const probeOf = (key: string, owner: string): string => `${key.slice(0, key.lastIndexOf('/') + 1)}.nightshift-${owner}-probe`

const batchOf = (owner: string): string => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(owner)?.[0] ?? owner

/** The tag that an object of these parts gets from most servers. */
const tagOfWhole = (tags: readonly string[]): string =>
  `${createHash('md5')
    .update(Buffer.from(tags.join(''), 'hex'))
    .digest('hex')}-${tags.length}`

interface Handle {
  readonly id: string
  /** Stands in the metadata of the object. */
  readonly mark: string
  readonly tags: readonly string[]
}
const handleOf = ({ id, mark, tags }: Handle): string => JSON.stringify([id, mark, ...tags])

function parseHandle(text: string): Handle | null {
  if (!text.startsWith('[')) return null
  const [id, mark, ...tags] = JSON.parse(text) as unknown[]
  return typeof id === 'string' && typeof mark === 'string' ? { id, mark, tags: tags.map(String) } : null
}
