/**
 * Blobs in a folder: a blob is a file under its name. It is written aside, in `.tmp` of the same folder, made durable, and moved to its name; then the
 * directory is made durable. Directories come with the first blob and go with the last one; a put that finds its directory gone makes it again.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, opendir, readdir, rename, rmdir, stat, unlink, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BlobMissing, checkBlobName, type BlobRange, type Blobs, type BlobSource } from './blobs.ts'
import { codeOf, fullDisk, readChunks, readExactly, syncDirectory, writeNew } from './disk.ts'

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
        if (codeOf(error) !== 'ENOENT' || tries >= 20) throw error
        ready.delete(directory) // NOTE: a delete took it away because it was empty
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
    const handle = await openBlob(name)
    try {
      const { size } = await handle.stat()
      const end = Math.min(size, range.start + (range.bytes ?? Infinity))
      yield* readChunks(handle, range.start, end, () => tooShort(name), signal)
    } finally {
      await handle.close()
    }
  }

  async function openBlob(name: string): Promise<FileHandle> {
    try {
      const handle = await open(pathOf(name))
      if ((await handle.stat()).isFile()) return handle
      await handle.close()
    } catch (error) {
      if (!isGone(error)) throw error
    }
    throw new BlobMissing(`There is no blob '${name}'.`)
  }

  async function* joined(parts: readonly BlobRange[], signal?: AbortSignal): AsyncGenerator<Buffer> {
    for (const { name, start, bytes } of parts) if (bytes > 0) yield* read(name, { start, bytes }, signal)
  }

  async function readRange({ name, start, bytes }: BlobRange, signal?: AbortSignal, into?: Buffer): Promise<Buffer> {
    signal?.throwIfAborted()
    const handle = await openBlob(name)
    try {
      return await readExactly(handle, start, bytes, () => tooShort(name), into)
    } finally {
      await handle.close()
    }
  }

  async function deleteOne(name: string): Promise<void> {
    const path = pathOf(name)
    await unlink(path).catch((error: unknown) => {
      if (!isGone(error)) throw error
    })
    for (let directory = dirname(path); directory.length > folder.length; directory = dirname(directory)) {
      try {
        await rmdir(directory)
        ready.delete(directory)
      } catch {
        return // NOTE: not empty, or gone already
      }
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
      else if (entry.isFile() && name.startsWith(prefix)) {
        const seen = await stat(join(folder, name)).catch(() => null)
        if (seen) yield { name, bytes: seen.size, changedAt: seen.mtimeMs }
      }
    }
  }

  return {
    put,
    read,
    readRange,
    async head(name) {
      try {
        const seen = await stat(pathOf(name))
        return seen.isFile() ? seen.size : null
      } catch (error) {
        if (isGone(error)) return null
        throw error
      }
    },
    compose: (name, parts, signal) => put(name, joined(parts, signal), signal),
    async delete(names) {
      for (let i = 0; i < names.length; i += deletesAtOnce) await Promise.all(names.slice(i, i + deletesAtOnce).map(deleteOne))
    },
    list,
    async sweepTemporary(olderThan) {
      const entries = await readdir(join(folder, temporary)).catch(() => [])
      for (const entry of entries) {
        const path = join(folder, temporary, entry)
        const seen = await stat(path).catch(() => null)
        if (seen && seen.mtimeMs < olderThan) await unlink(path).catch(() => {})
      }
    },
  }
}

const tooShort = (name: string): Error => new BlobMissing(`The blob '${name}' is shorter than what is asked of it.`)
const isGone = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'
