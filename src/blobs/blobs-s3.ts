/** Blobs in a bucket on S3: a blob is an object under the prefix and its name. A small one is put at once, a bigger one as an upload in parts, completed at its end. */
import { isDeepStrictEqual } from 'node:util'
import {
  BlobMissing,
  checkBlobName,
  NoRoom,
  readAll,
  type BlobRange,
  type Blobs,
  type BlobSource,
  type S3BlobsPlace,
} from './blobs.ts'
import { openS3, type Patience } from './s3/client.ts'
import { composeObject } from './s3/compose.ts'
import { cutParts, type Part } from './s3/cut.ts'
import { meaningOf, S3Failure, whyRefused } from './s3/failure.ts'
import { deleteObjects, listObjects, putObject } from './s3/objects.ts'
import { download, lookAt } from './s3/object.ts'
import { partBytes } from './s3/parts.ts'
import { abortUpload, beginUpload, completeUpload, lastWritten, openUploads, orAbort, sendParts } from './s3/upload.ts'

export function openS3Blobs(place: S3BlobsPlace, patience?: Patience): Blobs {
  const { bucket, prefix } = place
  const s3 = openS3(place, patience)
  const at = (name: string) => ({ bucket, key: prefix + checkBlobName(name) })

  async function telling<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw told(error)
    }
  }
  function told(error: unknown, name?: string): unknown {
    if (!(error instanceof S3Failure)) return error
    const meaning = meaningOf(error)
    if (meaning === 'no object') return new BlobMissing(name === undefined ? error.message : `There is no blob '${name}'.`)
    if (meaning === 'room')
      return new NoRoom(`There is no room left in bucket '${bucket}' at ${place.endpoint}.`, { cause: error })
    const why = whyRefused(error, 'keep its files in', bucket, place.endpoint)
    return why === null ? error : new Error(why, { cause: error })
  }

  async function put(name: string, source: BlobSource, signal?: AbortSignal): Promise<number> {
    const key = at(name)
    const parts = cutParts(source, partBytes, signal)
    try {
      const first = await parts.next()
      if (first.done) throw new Error('a source has a part at least')
      const { bytes } = first.value
      if (bytes.length < partBytes(1)) {
        await telling(() => putObject(s3, key, bytes, signal))
        return bytes.length
      }
      return await telling(async () => {
        const upload = await beginUpload(s3, key, {}, signal)
        return orAbort(s3, upload, async () => {
          const sent = await sendParts(s3, upload, after(first.value, parts), signal)
          await completeUpload(s3, upload, sent.tags)
          return sent.bytes
        })
      })
    } finally {
      parts.return(undefined).catch(() => {}) // NOTE: not awaited: it may stand at a source that is silent
    }
  }

  async function* read(name: string, range: { start: number; bytes?: number } = { start: 0 }, signal?: AbortSignal) {
    try {
      const { start, bytes = Infinity } = range
      yield* download(s3, at(name), { start, end: start + bytes }, signal)
    } catch (error) {
      throw told(error, name)
    }
  }

  async function readRange({ name, start, bytes }: BlobRange, signal?: AbortSignal, into?: Buffer): Promise<Buffer> {
    const buffer = into?.subarray(0, bytes) ?? Buffer.allocUnsafeSlow(bytes)
    let filled = 0
    for await (const chunk of read(name, { start, bytes }, signal)) {
      buffer.set(chunk, filled)
      filled += chunk.length
    }
    if (filled < bytes) throw new BlobMissing(`The blob '${name}' is shorter than what is asked of it.`)
    return buffer
  }

  /** What lies elsewhere comes through here, and everything does where the server does not know how to copy. */
  async function compose(name: string, ranges: readonly BlobRange[], from: Blobs, signal?: AbortSignal): Promise<number> {
    const keyOf = keysOf(from, place)
    if (keyOf)
      try {
        return await composeObject({ s3, keyOf, readRange: from.readRange }, at(name), ranges, signal)
      } catch (error) {
        if (!(error instanceof S3Failure) || meaningOf(error) !== 'not known') throw told(error)
      }
    return put(name, readAll(from, ranges, signal), signal)
  }

  return {
    place,
    put,
    read,
    readRange,
    head: (name) => telling(async () => (await lookAt(s3, at(name)))?.bytes ?? null),
    compose,
    delete: (names) =>
      telling(() =>
        deleteObjects(
          s3,
          bucket,
          names.map((name) => at(name).key),
        ),
      ),
    async *list(wanted) {
      try {
        for await (const { key, ...seen } of listObjects(s3, bucket, prefix + wanted))
          yield { name: key.slice(prefix.length), ...seen }
      } catch (error) {
        throw told(error)
      }
    },
    // NOTE: all uploads of the bucket are listed: not every server knows a prefix that is no whole key
    sweepTemporary: (olderThan) =>
      telling(async () => {
        for await (const upload of openUploads(s3, bucket, ''))
          if (
            upload.key.startsWith(prefix) &&
            upload.begunAt < olderThan &&
            ((await lastWritten(s3, upload)) ?? Infinity) < olderThan
          )
            await abortUpload(s3, upload)
      }),
  }
}

/** The keys of another store's blobs in the same bucket, as the same user; null: it lies elsewhere. */
function keysOf({ place }: Blobs, here: S3BlobsPlace): ((name: string) => string) | null {
  if (place?.kind !== 's3' || !isDeepStrictEqual({ ...place, prefix: '' }, { ...here, prefix: '' })) return null
  return (name) => place.prefix + checkBlobName(name)
}

async function* after(first: Part, rest: AsyncIterable<Part>): AsyncGenerator<Part> {
  yield first
  yield* rest
}
