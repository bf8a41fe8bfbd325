/** An upload in parts: begun, its parts sent a few at a time, then completed or aborted. Until it is completed nothing stands under its key. */
import { setTimeout } from 'node:timers/promises'
import { abortUnder } from '../../kit/abort.ts'
import { untilAborted } from '../until-aborted.ts'
import type { S3Server } from './client.ts'
import type { Part } from './cut.ts'
import { S3Failure, meaningOf } from './failure.ts'
import { untagged, type ObjectAt } from './object.ts'
import { partsAtOnce } from './parts.ts'

export interface Upload extends ObjectAt {
  readonly id: string
}
const called = ({ bucket, key, id }: Upload) => ({ Bucket: bucket, Key: key, UploadId: id })
const abortWithinMs = 15_000
const firstLookMs = 100

/** @throws {S3Failure} */
export async function beginUpload(
  s3: S3Server,
  { bucket, key }: ObjectAt,
  metadata: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<Upload> {
  const { UploadId } = await s3.askBriefly(
    `write '${key}' in '${bucket}'`,
    (client, o) =>
      client.createMultipartUpload({ Bucket: bucket, Key: key, ContentType: 'application/jsonl', Metadata: { ...metadata } }, o),
    signal,
    true,
  )
  if (!UploadId) throw new S3Failure('NoUploadId', 500, `S3 at ${s3.endpoint} began an upload and gave it no id`)
  return { bucket, key, id: UploadId }
}

/** Gives its tag. @throws {S3Failure} */
export async function sendPart(
  s3: S3Server,
  upload: Upload,
  number: number,
  body: Buffer,
  signal?: AbortSignal,
): Promise<string> {
  const { ETag } = await s3.ask(
    `write part ${number} of '${upload.key}' in '${upload.bucket}'`,
    (client, o) => client.uploadPart({ ...called(upload), PartNumber: number, Body: body }, o),
    signal,
    body.length,
  )
  return untagged(ETag)
}

/** Sends parts as they come. Whatever fails ends all. Gives the size, and the tag of each part in order. @throws {S3Failure}; what the parts throw; the signal's reason */
export async function sendParts(
  s3: S3Server,
  upload: Upload,
  parts: AsyncIterable<Part>,
  signal?: AbortSignal,
): Promise<{ bytes: number; tags: string[] }> {
  const sending = abortUnder(signal)
  const tags: string[] = []
  const flying = new Set<Promise<void>>()
  let bytes = 0
  const send = async ({ number, bytes: body, release }: Part): Promise<void> => {
    try {
      tags[number - 1] = await sendPart(s3, upload, number, body, sending.signal)
    } catch (error) {
      sending.abort(error)
    } finally {
      release()
    }
  }
  try {
    for await (const part of untilAborted(parts, sending.signal)) {
      bytes += part.bytes.length
      const sent = send(part).finally(() => flying.delete(sent))
      flying.add(sent)
      while (flying.size >= partsAtOnce(part.bytes.length)) await Promise.race(flying)
      sending.signal.throwIfAborted()
    }
    await Promise.all(flying)
    sending.signal.throwIfAborted()
    return { bytes, tags }
  } catch (error) {
    sending.abort(error)
    throw sending.signal.reason
  } finally {
    await Promise.allSettled(flying)
    sending.leave()
  }
}

/** The whole appears under its key. Gives its tag. @throws {S3Failure}; with `ifNone`, one whose meaning is `condition` when there is an object already */
export async function completeUpload(
  s3: S3Server,
  upload: Upload,
  tags: readonly string[],
  { ifNone = false } = {},
): Promise<string> {
  const { ETag } = await s3.ask(`write '${upload.key}' in '${upload.bucket}'`, (client, o) =>
    client.completeMultipartUpload(
      {
        ...called(upload),
        MultipartUpload: { Parts: tags.map((tag, i) => ({ PartNumber: i + 1, ETag: `"${tag}"` })) },
        ...(ifNone && { IfNoneMatch: '*' }),
      },
      o,
    ),
  )
  return untagged(ETag)
}

/** One that is not there (any more) is no failure. @throws {S3Failure} */
export async function abortUpload(s3: S3Server, upload: Upload, signal?: AbortSignal): Promise<void> {
  try {
    await s3.askBriefly(
      `abort the upload of '${upload.key}' in '${upload.bucket}'`,
      (client, o) => client.abortMultipartUpload(called(upload), o),
      signal,
    )
  } catch (error) {
    if (!(error instanceof S3Failure) || !['no upload', 'no object'].includes(meaningOf(error))) throw error
  }
}

/** The uploads that are open under keys with this prefix. @throws {S3Failure} */
export async function* openUploads(
  s3: S3Server,
  bucket: string,
  prefix: string,
): AsyncGenerator<Upload & { readonly begunAt: number }> {
  for (let after: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}; after;) {
    const from: object = after
    const page = await s3.askBriefly(
      `list the uploads in '${bucket}'`,
      (client, o) => client.listMultipartUploads({ Bucket: bucket, Prefix: prefix, ...from }, o),
      undefined,
      true,
    )
    for (const { Key: key, UploadId: id, Initiated } of page.Uploads ?? [])
      if (key !== undefined && id !== undefined) yield { bucket, key, id, begunAt: Initiated?.getTime() ?? Infinity }
    after = page.IsTruncated
      ? {
          ...(page.NextKeyMarker !== undefined && { KeyMarker: page.NextKeyMarker }),
          ...(page.NextUploadIdMarker !== undefined && { UploadIdMarker: page.NextUploadIdMarker }),
        }
      : undefined
  }
}

/** When the last of its parts came, in ms; 0: it has none; null: it is gone. @throws {S3Failure} */
export async function lastWritten(s3: S3Server, upload: Upload, signal?: AbortSignal): Promise<number | null> {
  try {
    const { Parts = [] } = await s3.askBriefly(
      `look at the upload of '${upload.key}' in '${upload.bucket}'`,
      (client, o) => client.listParts(called(upload), o),
      signal,
    )
    return Math.max(0, ...Parts.map(({ LastModified }) => LastModified?.getTime() ?? Infinity))
  } catch (error) {
    if (error instanceof S3Failure && meaningOf(error) === 'no upload') return null
    throw error
  }
}

/** Runs `work` on an upload, which is aborted when that fails; what cannot be aborted within a while is left for a sweep. */
export async function orAbort<T>(s3: S3Server, upload: Upload, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await abortForGood(s3, upload, AbortSignal.timeout(abortWithinMs)).catch(() => {})
    throw error
  }
}

/** A part that was still on its way can land after the abort and stay, so the upload is looked for and aborted again (Amazon S3 API Reference, AbortMultipartUpload). */
async function abortForGood(s3: S3Server, upload: Upload, signal: AbortSignal): Promise<void> {
  for (let pauseMs = firstLookMs; ; pauseMs *= 2) {
    await abortUpload(s3, upload, signal)
    await setTimeout(pauseMs, undefined, { signal })
    if ((await lastWritten(s3, upload, signal)) === null) return
  }
}
