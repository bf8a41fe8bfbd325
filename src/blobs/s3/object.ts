/** Looking at an object, reading it and deleting it. */
import type { Readable } from 'node:stream'
import { backoffMs } from '../../domain/backoff.ts'
import { systemClock } from '../../kit/clock.ts'
import type { S3Server } from './client.ts'
import { meaningOf, S3Failure } from './failure.ts'

export interface ObjectAt {
  readonly bucket: string
  readonly key: string
}
export interface Looked {
  readonly bytes: number
  /** The ETag, without its quotes. */
  readonly tag: string
  readonly metadata: Readonly<Record<string, string>>
}

export const untagged = (etag: string | undefined): string => (etag ?? '').replaceAll('"', '')

/** null: there is no such object. @throws {S3Failure} */
export async function lookAt(s3: S3Server, { bucket, key }: ObjectAt, tries = 3): Promise<Looked | null> {
  const asked = { Bucket: bucket, Key: key }
  try {
    const seen = await s3.askBriefly(`look at '${key}' in '${bucket}'`, (client, o) => client.headObject(asked, o))
    return { bytes: seen.ContentLength ?? 0, tag: untagged(seen.ETag), metadata: seen.Metadata ?? {} }
  } catch (error) {
    if (!(error instanceof S3Failure) || meaningOf(error) === 'trouble') throw error
    if ((await whyNot(s3, asked)) === 'no object') return null
    if (tries <= 1) throw error
  }
  return lookAt(s3, { bucket, key }, tries - 1)
}

/** The answer to a HEAD has no body: a GET is told why. `there`: it has come meanwhile. @throws {S3Failure} */
async function whyNot(s3: S3Server, asked: { Bucket: string; Key: string }): Promise<'no object' | 'there'> {
  try {
    const got = await s3.askBriefly(`read '${asked.Key}' in '${asked.Bucket}'`, (client, o) =>
      client.getObject({ ...asked, Range: 'bytes=0-0' }, o),
    )
    ;(got.Body as Readable | undefined)?.destroy()
    return 'there'
  } catch (why) {
    if (!(why instanceof S3Failure)) throw why
    if (meaningOf(why) === 'no object') return 'no object'
    if (meaningOf(why) === 'range') return 'there'
    throw why
  }
}

const triesWithoutAByte = 5
const pauses = { baseMs: 200, maxMs: 5000 }

/**
 * The bytes from `start` up to `end` (or to the end of the object). When the connection breaks or stands still, it goes on at the byte where it was, of the
 * same object: one with another tag is a failure whose meaning is `condition`.
 * @throws {S3Failure}; the signal's reason
 */
export async function* download(
  s3: S3Server,
  at: ObjectAt,
  { start, end = Infinity, tag }: { start: number; end?: number; tag?: string },
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  let next = start
  let known = tag
  let last = end
  for (let failures = 0; next < last;)
    try {
      const got = await openBody(s3, at, next, last, known, signal)
      known ??= got.tag
      last = Math.min(last, got.bytes)
      for await (const chunk of got.body) {
        next += (chunk as Buffer).length
        failures = 0
        yield chunk as Buffer
        signal?.throwIfAborted()
      }
      if (next < last) throw broken(at)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof S3Failure && meaningOf(error) === 'range' && known === undefined) return
      if (error instanceof S3Failure && meaningOf(error) !== 'trouble') throw error
      if (++failures >= triesWithoutAByte) throw error instanceof S3Failure ? error : broken(at)
      await systemClock.sleep(backoffMs(failures, pauses, Math.random), signal)
    }
}

const broken = ({ bucket, key }: ObjectAt) =>
  new S3Failure('Broken', null, `S3 could not send '${key}' of '${bucket}': the connection broke, again and again`)

async function openBody(
  s3: S3Server,
  { bucket, key }: ObjectAt,
  next: number,
  end: number,
  tag: string | undefined,
  signal?: AbortSignal,
) {
  const ranged = next > 0 || end !== Infinity
  const got = await s3.ask(
    `read '${key}' in '${bucket}'`,
    (client, o) =>
      client.getObject(
        {
          Bucket: bucket,
          Key: key,
          ...(tag !== undefined && { IfMatch: `"${tag}"` }),
          ...(ranged && { Range: `bytes=${next}-${end === Infinity ? '' : end - 1}` }),
        },
        o,
      ),
    signal,
    0,
  )
  const body = got.Body as Readable
  if (tag !== undefined && untagged(got.ETag) !== tag) {
    body.destroy()
    throw new S3Failure('PreconditionFailed', 412, `'${key}' in '${bucket}' is another than before`) // NOTE: a server that ignores conditions
  }
  const [, first, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(got.ContentRange ?? '') ?? []
  if (ranged && Number(first) !== next) {
    body.destroy()
    throw new S3Failure('NoRange', 400, `S3 at ${s3.endpoint} sent other bytes of '${key}' in '${bucket}' than were asked for`)
  }
  return { body, tag: untagged(got.ETag), bytes: ranged ? Number(size) : (got.ContentLength ?? 0) }
}

/** Deletes the object if it is still the one with that tag, as far as the server can tell the two at once. @throws {S3Failure} */
export async function deleteIfSame(s3: S3Server, { bucket, key }: ObjectAt, tag: string): Promise<boolean> {
  const seen = await lookAt(s3, { bucket, key })
  if (!seen) return true
  if (seen.tag !== tag) return false
  const remove = (condition: { IfMatch?: string }) =>
    s3.askBriefly(`delete '${key}' in '${bucket}'`, (client, o) =>
      client.deleteObject({ Bucket: bucket, Key: key, ...condition }, o),
    )
  try {
    await remove({ IfMatch: `"${tag}"` })
  } catch (error) {
    if (!(error instanceof S3Failure)) throw error
    if (meaningOf(error) === 'condition') return false
    if (meaningOf(error) === 'not known') await remove({})
    else if (meaningOf(error) !== 'no object') throw error
  }
  return true
}
