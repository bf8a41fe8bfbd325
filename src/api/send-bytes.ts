import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { ApiParts } from './parts.ts'
import { endStalledDownload } from './stalls.ts'

/**
 * Streams an answer whose head is set. What its first reading throws is still an answer of its own, as `told` has it; what breaks later breaks the connection,
 * and the reader sees by the content-length that it has not all.
 */
export async function sendBytes(
  { clock, limits }: ApiParts,
  reply: FastifyReply,
  bytes: AsyncIterable<Buffer>,
  told: (error: unknown) => unknown,
): Promise<FastifyReply> {
  const source = bytes[Symbol.asyncIterator]()
  const first = await source.next().catch((error: unknown) => {
    throw told(error)
  })
  endStalledDownload(reply.raw, clock, limits.idleMs)
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
