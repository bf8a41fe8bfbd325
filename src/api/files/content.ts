import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isAddress } from '../../domain/address.ts'
import { ApiError, noSuchFile } from '../../domain/errors.ts'
import { contentNeeds } from '../../domain/rights.ts'
import { checkRights } from '../guard/allowed.ts'
import { cannotBeRead, findContent } from './find-content.ts'
import type { ApiParts } from '../parts.ts'
import { sendBytes } from '../send-bytes.ts'

export async function sendContent(
  parts: ApiParts,
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
): Promise<FastifyReply> {
  checkRights(request, [
    contentNeeds(isAddress(id) ? 'object' : request.caller.rights.has('results:read') ? 'results' : 'upload'),
  ]) // NOTE: before it is looked for
  const content = await findContent(parts, request.caller.projectId, id)
  if (!content) throw noSuchFile(id)
  checkRights(request, [contentNeeds(content.kind)])
  const whole = request.method !== 'GET' || request.headers['if-range'] !== undefined // NOTE: no answer has a validator that one could be compared with (RFC 9110, 13.1.5)
  const range = whole ? null : rangeOf(request.headers.range, content.bytes)
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
  return sendBytes(parts, reply, content.read({ start, bytes }), (error) => (cannotBeRead(error) ? noSuchFile(id) : error)) // NOTE: deleted between the look and the reading
}

/** One range (RFC 9110, 14.1.2); several, or what is not a range, are as none. */
function rangeOf(header: string | undefined, size: number): { start: number; bytes: number } | 'outside' | null {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/i.exec(header ?? '') ?? []
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
