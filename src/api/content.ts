import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { BlobMissing } from '../blobs/blobs.ts'
import { BucketDenied, ObjectChanged, ObjectMissing } from '../blobs/bucket.ts'
import { openBucket } from '../blobs/open.ts'
import { isAddress, locate } from '../domain/address.ts'
import { ApiError, noSuchFile } from '../domain/errors.ts'
import { parseFileId } from '../domain/ids.ts'
import { listGrants } from '../store/buckets.ts'
import { findFile } from '../store/files.ts'
import type { ApiParts } from './parts.ts'
import { endStalledDownload } from './stalls.ts'

/** Bytes that can be streamed from anywhere within. */
interface Content {
  readonly filename: string
  readonly bytes: number
  read(range: { start: number; bytes: number }): AsyncIterable<Buffer>
}

/** A file of the caller's project, or an object in a bucket that is granted to it; anything else is the 404 of an unknown file. */
async function findContent({ db, files }: ApiParts, request: FastifyRequest, id: string): Promise<Content> {
  const { projectId } = request.caller
  if (!isAddress(id)) {
    const file = await findFile(db, projectId, parseFileId(id))
    const bytes = file && (await files.head(file.blob))
    if (!file || bytes === null) throw noSuchFile(id)
    return { filename: file.filename, bytes: file.bytes, read: (range) => files.read(file.blob, range) }
  }
  const located = locate(id, await listGrants(db, projectId))
  if (!located) throw noSuchFile(id)
  const bucket = openBucket(located.grant.place, located.bucket)
  const seen = await bucket.head(located.key).catch((error: unknown) => {
    throw cannotBeRead(error) ? noSuchFile(id) : error
  })
  if (!seen) throw noSuchFile(id)
  return {
    filename: located.key.slice(located.key.lastIndexOf('/') + 1),
    bytes: seen.bytes,
    read: (range) => bucket.read(located.key, seen, range),
  }
}

const cannotBeRead = (error: unknown): boolean =>
  error instanceof BlobMissing ||
  error instanceof ObjectMissing ||
  error instanceof ObjectChanged ||
  error instanceof BucketDenied

export async function sendContent(
  parts: ApiParts,
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
): Promise<FastifyReply> {
  const content = await findContent(parts, request, id)
  const range = request.method === 'GET' ? rangeOf(request.headers.range, content.bytes) : null
  if (range === 'outside')
    throw new ApiError(416, null, `The range is outside of the file, which has ${content.bytes} bytes.`, null, {
      'content-range': `bytes */${content.bytes}`,
    })
  const { start, bytes } = range ?? { start: 0, bytes: content.bytes }
  void reply
    .code(range ? 206 : 200)
    .header('content-type', 'application/octet-stream')
    .header('content-disposition', disposition(content.filename))
    .header('accept-ranges', 'bytes')
    .header('content-length', bytes)
  if (range) void reply.header('content-range', `bytes ${start}-${start + bytes - 1}/${content.bytes}`)
  if (request.method === 'HEAD') return reply.send(Readable.from([]))
  const source = content.read({ start, bytes })[Symbol.asyncIterator]()
  const first = await source.next().catch((error: unknown) => {
    throw cannotBeRead(error) ? noSuchFile(id) : error // NOTE: deleted between the look and the reading
  })
  endStalledDownload(reply.raw, parts.clock, parts.limits.idleMs)
  reply.raw.once('close', () => void source.return?.().catch(() => {})) // NOTE: a client may go before the first byte was asked of it
  return reply.send(Readable.from(from(first, source), { objectMode: false }))
}

/** Copies: a chunk is good until the next is asked for, and the socket holds several. */
async function* from(first: IteratorResult<Buffer>, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    for (let next = first; !next.done; next = await rest.next()) yield Buffer.from(next.value)
  } finally {
    await rest.return?.()
  }
}

/** One range (RFC 9110, 14.1.2); several, or what is not a range, are as none. */
function rangeOf(header: string | undefined, size: number): { start: number; bytes: number } | 'outside' | null {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return null
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (first !== '' && last !== '' && Number(last) < Number(first)) return null
  return start >= size || end < start ? 'outside' : { start, bytes: end - start + 1 }
}

/** RFC 6266: a name in plain ASCII, and the real one if it is another. */
function disposition(filename: string): string {
  const plain = filename.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_')
  return `attachment; filename="${plain}"${plain === filename ? '' : `; filename*=UTF-8''${encodeURIComponent(filename).replaceAll("'", '%27')}`}`
}
