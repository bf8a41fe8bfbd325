/**
 * A bucket that is a folder: `s3://{bucket}/{key}` is the file `{key}` in it. No path leaves the folder: a file or directory is opened without following a link
 * at its end, and counts only if the kernel says that what was opened lies where the key says (docs/spec.md, I14).
 */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, readdir, realpath, rm, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { BucketDenied, ObjectChanged, ObjectMissing, type Bucket, type ObjectSeen, type Staged, type Standing } from './bucket.ts'
import { codeOf, readChunks, syncDirectory, writeNew, type Stat } from './disk.ts'

const stagePrefix = '.nightshift-'
const gone = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EISDIR', 'ENXIO'])
const denied = new Set(['EACCES', 'EPERM', 'EROFS'])

const tagOf = ({ dev, ino, size, mtimeNs }: Stat): string => `${dev}-${ino}-${size}-${mtimeNs}`

/** The folder of a bucket that is no longer anybody's, with all objects in it. One that is gone already is fine. */
export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true })

export function openFolderBucket(folder: string, bucket: string): Bucket {
  const deny = (right: 'read' | 'write', key: string, cause: unknown): BucketDenied =>
    new BucketDenied(
      right,
      `The server has no right to ${right} ${right === 'read' ? `'${key}' in` : `beside '${key}' in`} bucket '${bucket}'. Ask its operator for it.`,
      { cause },
    )

  /** The object's file, open for reading; null: there is none. */
  async function openObject(key: string): Promise<FileHandle | null> {
    const parts = partsOf(key)
    if (!parts) return null
    let handle: FileHandle | undefined
    try {
      const root = await realpath(folder)
      const path = join(root, ...parts)
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
      if ((await handle.stat()).isFile() && (await whereIs(handle, path)) === path) return handle
      await handle.close()
      return null
    } catch (error) {
      await handle?.close().catch(() => {}) // NOTE: it may go between the opening and the look at where it is
      if (denied.has(codeOf(error) ?? '')) throw deny('read', key, error)
      if (gone.has(codeOf(error) ?? '')) return null
      throw error
    }
  }

  /** The directory beside the key, held open while `work` names files in it. */
  async function inDirectory<T>(
    key: string,
    work: (pathOf: (name: string) => string, directory: FileHandle, name: string) => Promise<T>,
  ): Promise<T> {
    const parts = partsOf(key)
    const name = parts?.at(-1)
    if (!parts || name === undefined)
      throw new BucketDenied('write', `'${key}' cannot be the name of a file in bucket '${bucket}'.`)
    let handle: FileHandle | undefined
    try {
      const root = await realpath(folder)
      const path = join(root, ...parts.slice(0, -1))
      handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
      if ((await whereIs(handle, path)) !== path)
        throw new BucketDenied('write', `The folder of '${key}' in bucket '${bucket}' is a link, which is not followed.`)
      const base = process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : path
      return await work((n) => `${base}/${n}`, handle, name)
    } catch (error) {
      if (denied.has(codeOf(error) ?? '')) throw deny('write', key, error)
      if (!handle && gone.has(codeOf(error) ?? ''))
        throw new BucketDenied('write', `The folder of '${key}' is not there in bucket '${bucket}'.`, { cause: error })
      throw error
    } finally {
      await handle?.close()
    }
  }

  async function head(key: string): Promise<ObjectSeen | null> {
    const handle = await openObject(key)
    if (!handle) return null
    try {
      const seen = await handle.stat({ bigint: true })
      return { bytes: Number(seen.size), tag: tagOf(seen) }
    } finally {
      await handle.close()
    }
  }

  async function standing(key: string, staged: Staged | null): Promise<Standing> {
    const seen = await head(key)
    return seen === null ? 'free' : seen.tag === staged?.tag ? seen : 'foreign'
  }

  return {
    canHold: (key) => partsOf(key) !== null,
    head,
    standing,
    async *read(key, seen, range = { start: 0 }, signal) {
      const handle = await openObject(key)
      if (!handle) throw new ObjectMissing(`There is no object '${key}' in bucket '${bucket}'.`)
      const changed = () => new ObjectChanged(`The object '${key}' in bucket '${bucket}' has changed.`)
      const check = async () => {
        if (tagOf(await handle.stat({ bigint: true })) !== seen.tag) throw changed()
      }
      try {
        await check()
        yield* readChunks(handle, range.start, Math.min(seen.bytes, range.start + (range.bytes ?? Infinity)), changed, signal)
        await check()
      } finally {
        await handle.close()
      }
    },
    proveWrite: (key, owner) =>
      inDirectory(key, async (pathOf) => {
        const path = pathOf(`${stagePrefix}${owner}-probe-${randomUUID()}`)
        await writeNew(path, 0o600, new Uint8Array(1))
        try {
          await link(path, `${path}-link`) // NOTE: as publishing does, and not every disk can
          await unlink(`${path}-link`)
        } finally {
          await unlink(path)
        }
      }),
    stage: (key, owner, source, signal, staging) =>
      inDirectory(key, async (pathOf): Promise<Staged> => {
        const handle = `${stagePrefix}${owner}-${randomUUID()}`
        await staging?.begun?.(handle)
        const stat = await writeNew(pathOf(handle), 0o644, source, signal)
        return { bytes: Number(stat.size), tag: tagOf(stat), handle }
      }),
    publish: (key, staged) =>
      inDirectory(key, async (pathOf, directory, name) => {
        try {
          await link(pathOf(staged.handle), pathOf(name))
        } catch (error) {
          const code = codeOf(error)
          if (code !== 'EEXIST' && code !== 'ENOENT') throw error
          if (typeof (await standing(key, staged)) === 'string') {
            if (code === 'EEXIST') return 'taken'
            throw error
          }
        }
        await syncDirectory(directory)
        await removeIfThere(pathOf(staged.handle))
        return { bytes: staged.bytes, tag: staged.tag }
      }),
    discard: (key, handle) =>
      inDirectory(key, async (pathOf) => {
        if (handle.startsWith(stagePrefix) && !handle.includes('/')) await removeIfThere(pathOf(handle))
      }),
    discardStaged: (key, ownerPrefix) =>
      inDirectory(key, async (pathOf) => {
        for (const entry of await readdir(pathOf('.')))
          if (entry.startsWith(stagePrefix + ownerPrefix)) await removeIfThere(pathOf(entry))
      }),
    async delete(key, seen) {
      const now = await head(key)
      if (now && now.tag !== seen.tag) return false
      if (now) await inDirectory(key, (pathOf, _, name) => removeIfThere(pathOf(name)))
      return true
    },
  }
}

/** The parts of a key that can be a path in the folder; null for all others, and for names that are ours. */
function partsOf(key: string): string[] | null {
  const parts = key.split('/')
  const fine = parts.every(
    (p) => p !== '' && p !== '.' && p !== '..' && !p.includes('\0') && Buffer.byteLength(p) <= 255 && !p.startsWith(stagePrefix),
  )
  return fine ? parts : null
}

/** Where what was opened really lies. */
const whereIs = (handle: FileHandle, path: string): Promise<string> =>
  realpath(process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : path)

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}
