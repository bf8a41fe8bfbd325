import type { BlobSource } from '../blobs.ts'
import { untilAborted } from '../until-aborted.ts'

export interface Part {
  /** From 1. */
  readonly number: number
  readonly bytes: Buffer
  /** The memory may be used again. */
  readonly release: () => void
}

const firstMemory = 256 * 1024

/** Cuts a source into parts in memory of their own, which is used again once they are released. A source without a byte is one empty part. */
export async function* cutParts(
  source: BlobSource,
  bytesOf: (number: number) => number,
  signal?: AbortSignal,
): AsyncGenerator<Part> {
  const spare: Buffer[] = []
  const take = (bytes: number): Buffer => {
    for (let one = spare.pop(); one; one = spare.pop()) if (one.length >= bytes) return one
    return Buffer.allocUnsafeSlow(bytes)
  }
  let number = 1
  let memory: Buffer = Buffer.allocUnsafeSlow(Math.min(firstMemory, bytesOf(1)))
  let filled = 0
  const part = (): Part => {
    const own = memory
    return { number, bytes: own.subarray(0, filled), release: () => void spare.push(own) }
  }
  for await (const chunk of untilAborted(chunksOf(source), signal))
    for (let at = 0; at < chunk.length;) {
      const size = bytesOf(number)
      const needed = Math.min(size, filled + chunk.length - at)
      if (memory.length < needed) {
        const bigger = Buffer.allocUnsafeSlow(Math.min(size, Math.max(needed, memory.length * 2)))
        bigger.set(memory.subarray(0, filled))
        memory = bigger
      }
      const some = chunk.subarray(at, at + needed - filled)
      memory.set(some, filled)
      filled += some.length
      at += some.length
      if (filled < size) continue
      yield part()
      number++
      memory = take(bytesOf(number))
      filled = 0
    }
  if (filled > 0 || number === 1) yield part()
}

async function* chunksOf(source: BlobSource): AsyncGenerator<Uint8Array> {
  yield* source instanceof Uint8Array ? [source] : source
}
