import { constants } from 'node:fs'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { NoRoom, type BlobSource } from './blobs.ts'
import { partsOf } from './turns.ts'
import { untilAborted } from './until-aborted.ts'

/** Writes are gathered to at least this, reads are at most this. */
const chunkBytes = 1 << 20
/** What is no longer than this is written from less memory: a result of a line should not cost what a result of a million does. */
const firstBytes = 64 << 10
/** How much may be written before the disk is made to work on it, so that the last flush finds little left to do. */
const flushBytes = 16 << 20

export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

/** A full disk is an error of its own; everything else stays what it is. */
export const fullDisk = (error: unknown): unknown =>
  codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT'
    ? new NoRoom('There is no room left on the disk, or the quota is used up.', { cause: error })
    : error

/** Size and time of a file that was written or opened. */
export interface Stat {
  readonly dev: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
}

/**
 * Writes a file that must not exist yet; its bytes are durable when this resolves (its name only once the directory is synced). A source that fails, or an
 * abort, leaves no file.
 * @throws {NoRoom}
 */
export async function writeNew(path: string, mode: number, source: BlobSource, signal?: AbortSignal): Promise<Stat> {
  signal?.throwIfAborted()
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode)
  try {
    if (source instanceof Uint8Array) await writeAll(handle, [source])
    else if (Symbol.asyncIterator in source) await writeStream(handle, source, signal)
    else await writeAll(handle, source)
    signal?.throwIfAborted()
    await handle.datasync()
    const stat = await handle.stat({ bigint: true })
    await handle.close()
    return stat
  } catch (error) {
    await handle.close().catch(() => {})
    await unlink(path).catch(() => {})
    throw fullDisk(error)
  }
}

/**
 * Bytes are copied into one gathering while the other is written, and what was written before is flushed: two stretches of memory serve for any length, and a
 * source may use its own again.
 */
async function writeStream(handle: FileHandle, source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
  let gathering = Buffer.allocUnsafeSlow(firstBytes)
  let spare = gathering
  let gathered = 0
  let unflushed = 0
  let writing = Promise.resolve()
  let flushing = Promise.resolve()
  const write = async () => {
    await writing
    writing = quiet(writeAll(handle, [gathering.subarray(0, gathered)]))
    unflushed += gathered
    gathered = 0
  }
  const turn = () => {
    ;[gathering, spare] = [
      spare.length < chunkBytes || spare === gathering ? Buffer.allocUnsafeSlow(chunkBytes) : spare,
      gathering,
    ]
  }
  try {
    for await (const chunk of untilAborted(source, signal))
      for (let at = 0; at < chunk.length;) {
        const some = chunk.subarray(at, at + gathering.length - gathered)
        gathering.set(some, gathered)
        gathered += some.length
        at += some.length
        if (gathered < gathering.length) continue
        await write()
        turn()
        if (unflushed < flushBytes) continue
        await flushing
        flushing = quiet(handle.datasync())
        unflushed = 0
      }
    await write()
  } finally {
    await Promise.allSettled([writing, flushing])
  }
  await writing
  await flushing
}

/** It is awaited later: until then its failure is not an unhandled one. */
function quiet(promise: Promise<void>): Promise<void> {
  promise.catch(() => {})
  return promise
}

/** So many pieces go to the system in one call. */
const callPieces = 64

async function writeAll(handle: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  for (const some of partsOf(chunks, callPieces))
    for (let rest = some; ;) {
      rest = rest.filter((chunk) => chunk.length > 0)
      if (rest.length === 0) break
      let { bytesWritten } = await handle.writev(rest)
      rest = rest.map((chunk) => {
        const done = Math.min(bytesWritten, chunk.length)
        bytesWritten -= done
        return chunk.subarray(done)
      })
    }
}

/** The bytes from `start` up to `end`, in chunks of at most 1 MiB, the next one read ahead into the memory of the one before. `short` makes the error for a file that ends before. */
export async function* readChunks(
  handle: FileHandle,
  start: number,
  end: number,
  short: () => Error,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  let memory = Buffer.alloc(0)
  let spare = Buffer.alloc(0)
  const readAt = (at: number) => {
    const bytes = Math.min(chunkBytes, end - at)
    ;[memory, spare] = [spare, memory]
    if (memory.length < bytes) memory = Buffer.allocUnsafeSlow(bytes)
    return readExactly(handle, at, bytes, short, memory)
  }
  let ahead = start < end ? readAt(start) : null
  try {
    while (ahead) {
      const chunk: Buffer = await ahead
      start += chunk.length
      ahead = start < end ? readAt(start) : null
      ahead?.catch(() => {})
      signal?.throwIfAborted()
      yield chunk
      signal?.throwIfAborted()
    }
  } finally {
    await ahead?.catch(() => {})
  }
}

/** Into the memory that is given, if any, which must have room for them. */
export async function readExactly(
  handle: FileHandle,
  start: number,
  bytes: number,
  short: () => Error,
  into?: Buffer,
): Promise<Buffer> {
  const buffer = into?.subarray(0, bytes) ?? Buffer.allocUnsafeSlow(bytes)
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await handle.read(buffer, at, bytes - at, start + at)
    if (bytesRead === 0) throw short()
    at += bytesRead
  }
  return buffer
}

/** Makes the names in a directory durable. A file system that cannot do that says EINVAL, and has nothing to offer instead. */
export async function syncDirectory(directory: string | FileHandle): Promise<void> {
  const handle = typeof directory === 'string' ? await open(directory, constants.O_RDONLY | constants.O_DIRECTORY) : directory
  try {
    await handle.sync()
  } catch (error) {
    if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOTSUP') throw fullDisk(error)
  } finally {
    if (typeof directory === 'string') await handle.close()
  }
}
