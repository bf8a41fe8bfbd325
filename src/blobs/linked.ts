/**
 * A blob in a folder that is made of stretches of others without a byte being written again: a directory under its name with a hard link to each file, and an
 * index. The file of a blob is never written to once it has its name, so what is linked stays as it is, whatever becomes of the others.
 */
import { link, mkdir, open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, readChunks, readExactly, syncDirectory, writeNew } from './disk.ts'
import { inTurns } from './turns.ts'

/** The name of a blob never begins with a dot, nor does a part of it. */
export const indexName = '.index'
const atOnce = 16
/** From this size of a stretch on a link pays: what is smaller is sooner copied than opened at each reading. */
const leastBytes = 64 * 1024

/** A stretch of a file. */
export interface Stretch {
  readonly path: string
  readonly start: number
  readonly bytes: number
}

const sizeOf = (stretches: readonly Stretch[]): number => stretches.reduce((sum, { bytes }) => sum + bytes, 0)

/**
 * Durable but for its name once this resolves; the stretches are not empty. null: they are small, or cannot be linked from there. Unless it gives a size, what is there is the caller's to remove.
 * @throws `short(i)` when the i-th is not there or ends before its stretch does.
 */
export async function writeLinked(
  directory: string,
  stretches: readonly Stretch[],
  short: (i: number) => Error,
  signal?: AbortSignal,
): Promise<number | null> {
  const size = sizeOf(stretches)
  if (size < leastBytes * Math.max(1, stretches.length)) return null
  await mkdir(directory, { mode: 0o700 })
  try {
    const found: Stretch[][] = []
    await inTurns(
      [...stretches.entries()],
      atOnce,
      async ([i, one]) => void (found[i] = await filesOf(one, () => short(i))),
      signal,
    )
    const files = found.flat()
    await inTurns([...files.entries()], atOnce, ([i, { path }]) => link(path, join(directory, `.${i}`)), signal)
    const index = files.map(({ start, bytes }) => [start, bytes])
    await writeNew(join(directory, indexName), 0o600, Buffer.from(JSON.stringify(index)), signal)
    await syncDirectory(directory)
    return size
  } catch (error) {
    if (unlinkable.has(codeOf(error) ?? '')) return null
    throw error
  }
}

/** Another file system, one without links, a file with as many as it may have; a file that has just gone: reading it will say so. */
const unlinkable = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOENT'])

/** A stretch of a blob that is linked itself is several of its files. */
async function filesOf(one: Stretch, short: () => Error): Promise<Stretch[]> {
  const seen = await stat(one.path).catch(() => null)
  const linked = seen?.isDirectory() ? await openLinked(one.path) : null
  const size = linked?.size ?? (seen?.isFile() ? seen.size : 0)
  const end = one.start + one.bytes
  if (size < end) throw short()
  return linked ? [...within(linked.stretches, one.start, end)] : [one]
}

/** The files of a linked blob, in order. */
export interface Linked {
  readonly stretches: readonly Stretch[]
  readonly size: number
}

/** null: there is none in this directory. */
export async function openLinked(directory: string): Promise<Linked | null> {
  const text = await readFile(join(directory, indexName), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw error
  })
  if (text === null) return null
  const stretches = (JSON.parse(text) as [number, number][]).map(([start, bytes], i) => ({
    path: join(directory, `.${i}`),
    start,
    bytes,
  }))
  return { stretches, size: sizeOf(stretches) }
}

/** The bytes from `start` up to `end`, in chunks that are good until the next is asked for. */
export async function* readLinked(
  { stretches }: Linked,
  start: number,
  end: number,
  short: () => Error,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  for (const one of within(stretches, start, end)) {
    const handle = await openPart(one, short)
    try {
      yield* readChunks(handle, one.start, one.start + one.bytes, short, signal)
    } finally {
      await handle.close()
    }
  }
}

export async function readLinkedExactly(
  { stretches, size }: Linked,
  start: number,
  bytes: number,
  short: () => Error,
  into: Buffer = Buffer.allocUnsafeSlow(bytes),
): Promise<Buffer> {
  if (start + bytes > size) throw short()
  let filled = 0
  for (const one of within(stretches, start, start + bytes)) {
    const handle = await openPart(one, short)
    try {
      await readExactly(handle, one.start, one.bytes, short, into.subarray(filled))
    } finally {
      await handle.close()
    }
    filled += one.bytes
  }
  return into.subarray(0, bytes)
}

/** Deleted while it is read: then it is no longer there, as it would be on S3. */
const openPart = ({ path }: Stretch, short: () => Error) =>
  open(path).catch((error: unknown) => {
    throw codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR' ? short() : error
  })

/** What of the stretches lies between two places of the whole. */
function* within(stretches: readonly Stretch[], start: number, end: number): Generator<Stretch> {
  let at = 0
  for (const { path, start: from, bytes } of stretches) {
    const [first, last] = [Math.max(start, at), Math.min(end, at + bytes)]
    if (first < last) yield { path, start: from + first - at, bytes: last - first }
    at += bytes
  }
}
