/**
 * Blobs in a folder: a blob is a file under its name. It is written aside, in `.tmp` of the same folder, made durable, and moved to its name; then the
 * directory is made durable. Directories come with the first blob and go with the last one; a put that finds its directory gone makes it again. A blob that was
 * composed may be a directory of links (`linked.ts`).
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, opendir, readdir, rename, rm, rmdir, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BlobMissing, checkBlobName, readAll, type BlobRange, type Blobs, type BlobSource } from './blobs.ts'
import { codeOf, fullDisk, readChunks, readExactly, syncDirectory, writeNew } from './disk.ts'
import { indexName, openLinked, readLinked, readLinkedExactly, writeLinked, type Linked } from './linked.ts'
import { inTurns } from './turns.ts'

const temporary = '.tmp'
const directoriesRemembered = 10_000
const deletesAtOnce = 16

export function openFolder(folder: string): Blobs {
  /** Directories that are there, durably, or are being made. Never the truth: a delete, of another process too, may have taken one away since. */
  const ready = new Map<string, Promise<void>>()

  const pathOf = (name: string) => join(folder, checkBlobName(name))

  function makeDirectory(directory: string): Promise<void> {
    const known = ready.get(directory)
    if (known) return known
    const making = makeDurably(directory)
    if (ready.size >= directoriesRemembered) ready.clear()
    ready.set(directory, making)
    making.catch(() => ready.delete(directory))
    return making
  }

  /** Others may have made some of the directories a moment ago and not synced them yet: everything from the folder down is. */
  async function makeDurably(directory: string): Promise<void> {
    const first = (await mkdir(directory, { recursive: true, mode: 0o700 })) ?? directory
    const top = first.length < folder.length ? dirname(first) : folder
    for (let at = directory; at.length > top.length;) {
      at = dirname(at)
      await syncDirectory(at)
    }
  }

  async function moveTo(path: string, from: string): Promise<void> {
    const directory = dirname(path)
    for (let tries = 0; ; tries++) {
      await makeDirectory(directory)
      try {
        await rename(from, path)
        return await syncDirectory(directory)
      } catch (error) {
        if (tries >= 20) throw error
        if (codeOf(error) === 'ENOENT')
          ready.delete(directory) // NOTE: a delete took it away because it was empty
        else if (isOfOtherKind(error)) await remove(path)
        else throw error
      }
    }
  }

  async function put(name: string, source: BlobSource, signal?: AbortSignal): Promise<number> {
    const path = pathOf(name)
    const aside = join(folder, temporary, randomUUID())
    signal?.throwIfAborted()
    try {
      await makeDirectory(dirname(aside))
      const { size } = await writeNew(aside, 0o600, source, signal)
      await moveTo(path, aside)
      return Number(size)
    } catch (error) {
      await unlink(aside).catch(() => {})
      throw fullDisk(error)
    }
  }

  async function* read(name: string, range: { start: number; bytes?: number } = { start: 0 }, signal?: AbortSignal) {
    signal?.throwIfAborted()
    const { handle, linked, size } = await openBlob(name)
    const end = Math.min(size, range.start + (range.bytes ?? Infinity))
    const short = () => tooShort(name)
    if (linked) return yield* readLinked(linked, range.start, end, short, signal)
    try {
      yield* readChunks(handle, range.start, end, short, signal)
    } finally {
      await handle.close()
    }
  }

  type Opened =
    | { readonly handle: FileHandle; readonly linked: null; readonly size: number }
    | { readonly handle: null; readonly linked: Linked; readonly size: number }

  async function openBlob(name: string): Promise<Opened> {
    const path = pathOf(name)
    try {
      const handle = await open(path)
      const seen = await handle.stat()
      if (seen.isFile()) return { handle, linked: null, size: seen.size }
      await handle.close()
      const linked = seen.isDirectory() ? await openLinked(path) : null
      if (linked) return { handle: null, linked, size: linked.size }
    } catch (error) {
      if (!isGone(error)) throw error
    }
    throw new BlobMissing(`There is no blob '${name}'.`)
  }

  async function readRange({ name, start, bytes }: BlobRange, signal?: AbortSignal, into?: Buffer): Promise<Buffer> {
    signal?.throwIfAborted()
    const { handle, linked } = await openBlob(name)
    const short = () => tooShort(name)
    if (linked) return readLinkedExactly(linked, start, bytes, short, into)
    try {
      return await readExactly(handle, start, bytes, short, into)
    } finally {
      await handle.close()
    }
  }

  async function compose(name: string, parts: readonly BlobRange[], from: Blobs, signal?: AbortSignal): Promise<number> {
    const some = parts.filter(({ bytes }) => bytes > 0)
    return (await linkAll(name, some, from, signal)) ?? put(name, readAll(from, some, signal), signal)
  }

  async function linkAll(name: string, parts: readonly BlobRange[], from: Blobs, signal?: AbortSignal): Promise<number | null> {
    if (from.place?.kind !== 'folder') return null
    const { folder: theirs } = from.place
    const path = pathOf(name)
    const aside = join(folder, temporary, randomUUID())
    const stretches = parts.map((part) => ({ ...part, path: join(theirs, checkBlobName(part.name)) }))
    try {
      await makeDirectory(dirname(aside))
      const size = await writeLinked(aside, stretches, (i) => tooShort(parts[i]?.name ?? name), signal)
      if (size !== null) await moveTo(path, aside)
      return size
    } catch (error) {
      throw fullDisk(error)
    } finally {
      await rm(aside, { recursive: true, force: true }) // NOTE: it has its name by then, or is good for nothing
    }
  }

  /** A directory of links goes at once, by its name: it is never seen with some of them. */
  async function remove(path: string): Promise<void> {
    try {
      await unlink(path)
    } catch (error) {
      if (isGone(error)) return
      if ((await stat(path).catch(() => null))?.isFile()) throw error
      if (await openLinked(path)) await removeLinked(path)
    }
  }

  async function removeLinked(path: string): Promise<void> {
    const aside = join(folder, temporary, randomUUID())
    await makeDirectory(dirname(aside))
    try {
      await rename(path, aside)
    } catch (error) {
      if (!isGone(error)) throw error // NOTE: another delete was sooner
    }
    await rm(aside, { recursive: true, force: true })
  }

  async function deleteOne(name: string): Promise<void> {
    const path = pathOf(name)
    await remove(path)
    for (let directory = dirname(path); directory.length > folder.length; directory = dirname(directory)) {
      try {
        await rmdir(directory)
        ready.delete(directory)
      } catch {
        return // NOTE: not empty, or gone already
      }
    }
  }

  async function head(name: string): Promise<number | null> {
    const path = pathOf(name)
    try {
      const seen = await stat(path)
      return seen.isFile() ? seen.size : ((await openLinked(path))?.size ?? null)
    } catch (error) {
      if (isGone(error)) return null
      throw error
    }
  }

  async function* list(prefix: string): AsyncGenerator<{ name: string; bytes: number; changedAt: number }> {
    yield* walk(prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix)
  }

  async function* walk(directory: string, prefix: string): AsyncGenerator<{ name: string; bytes: number; changedAt: number }> {
    let entries
    try {
      entries = await opendir(join(folder, directory))
    } catch (error) {
      if (isGone(error)) return
      throw error
    }
    for await (const entry of entries) {
      const name = directory + entry.name
      if (entry.isDirectory() && entry.name !== temporary && (prefix.startsWith(`${name}/`) || name.startsWith(prefix)))
        yield* walk(`${name}/`, prefix)
      else if (entry.name === indexName && directory.length > prefix.length) {
        const whole = directory.slice(0, -1)
        const seen = await stat(join(folder, name)).catch(() => null)
        const bytes = await head(whole)
        if (seen && bytes !== null) yield { name: whole, bytes, changedAt: seen.mtimeMs }
      } else if (entry.isFile() && !entry.name.startsWith('.') && name.startsWith(prefix)) {
        const seen = await stat(join(folder, name)).catch(() => null)
        if (seen) yield { name, bytes: seen.size, changedAt: seen.mtimeMs }
      }
    }
  }

  return {
    place: { kind: 'folder', folder },
    put,
    read,
    readRange,
    head,
    compose,
    async delete(names) {
      await inTurns(names, deletesAtOnce, deleteOne)
    },
    list,
    async sweepTemporary(olderThan) {
      const entries = await readdir(join(folder, temporary)).catch(() => [])
      for (const entry of entries) {
        const path = join(folder, temporary, entry)
        const seen = await stat(path).catch(() => null)
        if (seen && seen.mtimeMs < olderThan) await rm(path, { recursive: true }).catch(() => {})
      }
    },
  }
}

const tooShort = (name: string): Error => new BlobMissing(`The blob '${name}' is shorter than what is asked of it.`)
const isGone = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'
/** A file is to take the place of a directory, or a directory that of a file or of a directory with something in it. */
const isOfOtherKind = (error: unknown): boolean => ['EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')
