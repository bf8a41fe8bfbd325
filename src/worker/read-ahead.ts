import type { Blobs } from '../blobs/blobs.ts'
import type { Part } from '../store/segments.ts'

const pieceBytes = 1024 * 1024
/** One that was yielded, the others being read. */
const piecesAtHand = 6

/** Reads stretches in order, in pieces, a few of them ahead, into the same few stretches of memory: a piece is good until the next is asked for. */
export async function* readAhead(
  blobs: Blobs,
  parts: AsyncIterable<Part> | Iterable<Part>,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const memory: Buffer[] = []
  const ahead: Promise<Buffer>[] = []
  let asked = 0

  function roomFor(bytes: number): Buffer {
    const mine = asked++ % piecesAtHand
    const known = memory[mine]
    return known && known.length >= bytes ? known : (memory[mine] = Buffer.allocUnsafeSlow(bytes))
  }
  const readPiece = async (place: Part['place'], start: number, bytes: number): Promise<Buffer> =>
    typeof place === 'string'
      ? blobs.readRange({ name: place, start, bytes }, signal, roomFor(bytes))
      : place.subarray(start, start + bytes)

  try {
    for await (const { place, start, bytes } of parts)
      for (let at = 0; at < bytes; at += pieceBytes) {
        const piece = readPiece(place, start + at, Math.min(pieceBytes, bytes - at))
        piece.catch(() => {}) // NOTE: told when its turn comes; until then it must not count as unhandled
        ahead.push(piece)
        const first = ahead.length === piecesAtHand ? ahead.shift() : undefined
        if (first) yield await first
      }
    for (const piece of ahead) yield await piece
  } finally {
    await Promise.allSettled(ahead)
  }
}
