import type { BlobSource } from '../../src/blobs/blobs.ts'
import { ObjectChanged, ObjectMissing, type Bucket, type Staged, type Standing } from '../../src/blobs/bucket.ts'
import type { Chance } from '../support/chance.ts'
import type { Life } from './life.ts'
import type { Profile } from './profile.ts'
import type { Trip } from './trip.ts'

interface StoredObject {
  readonly bytes: Buffer
  readonly tag: string
  /** Of what was staged, as S3 keeps it in the metadata. */
  readonly handle?: string
}

/** The objects of a world's one bucket store, and what is staged there. */
export interface ObjectStore {
  readonly objects: Map<string, StoredObject>
  readonly staged: Map<string, { bytes: Buffer; tag: string }>
  /** Puts an object there as a user does, beside Nightshift. */
  write(key: string, bytes: Buffer): void
  newTag(): string
}

export function makeObjectStore(): ObjectStore {
  const objects = new Map<string, StoredObject>()
  let tags = 0
  const newTag = () => `tag-${tags++}`
  return { objects, staged: new Map(), newTag, write: (key, bytes) => void objects.set(key, { bytes, tag: newTag() }) }
}

const refusal = () => new Error('the bucket answers 503')

export function bucketOf(
  store: ObjectStore,
  bucket: string,
  { life, trip, chance, profile }: { life: Life; trip: Trip; chance: Chance; profile: () => Profile },
): Bucket {
  const trips = <T>(what: string, changes: boolean, effect: () => T | Promise<T>): Promise<T> =>
    trip({ what: () => `bucket: ${what}`, changes, effect: async () => effect(), refusal })
  const nameOf = (key: string) => `${bucket}/${key}`
  const handleOf = (owner: string) => nameOf(`.nightshift-${owner}-${store.newTag()}`)

  async function gather(source: BlobSource): Promise<Buffer> {
    const chunks: Buffer[] = []
    if (source instanceof Uint8Array) chunks.push(Buffer.from(source))
    else for await (const chunk of source) chunks.push(Buffer.from(chunk))
    if (chance.happens(profile().half)) throw refusal()
    return Buffer.concat(chunks)
  }

  function standing(key: string, staged: Staged | null): Standing {
    const there = store.objects.get(nameOf(key))
    if (!there) return 'free'
    const isStaged = staged && there.handle ? there.handle === staged.handle : there.tag === staged?.tag
    return isStaged ? { bytes: there.bytes.length, tag: there.tag } : 'foreign'
  }

  return {
    canHold: () => true,
    head: (key) =>
      trips(`head ${key}`, false, () => {
        const found = store.objects.get(nameOf(key))
        return found ? { bytes: found.bytes.length, tag: found.tag } : null
      }),
    async *read(key, seen, range = { start: 0 }, signal) {
      const same = () =>
        trips(`read ${key}`, false, () => {
          const found = store.objects.get(nameOf(key))
          if (!found) throw new ObjectMissing(`There is no object '${key}'.`)
          if (found.tag !== seen.tag) throw new ObjectChanged(`The object '${key}' has changed.`)
          return found.bytes
        })
      const bytes = await same()
      const end = Math.min(bytes.length, range.start + (range.bytes ?? Infinity))
      for (let at = range.start; at < end;) {
        signal?.throwIfAborted()
        const chunk = Buffer.from(bytes.subarray(at, Math.min(end, (at += chance.pick([300, 1000, 10_000])))))
        yield chunk
        chunk.fill(0x21)
      }
      await same()
    },
    proveWrite: (key, owner) =>
      trips(`prove ${key}`, true, async () => {
        const handle = handleOf(`${owner}-probe`)
        store.staged.set(handle, { bytes: Buffer.alloc(1), tag: '' })
        await life.clock.sleep(chance.between(0, 5))
        store.staged.delete(handle) // NOTE: of a process that crashed it stays
      }),
    stage: (key, owner, source, signal) =>
      trips(`stage ${key}`, true, async (): Promise<Staged> => {
        const tag = store.newTag()
        const handle = handleOf(owner)
        store.staged.set(handle, { bytes: Buffer.alloc(0), tag })
        try {
          const bytes = await gather(source)
          signal?.throwIfAborted()
          store.staged.set(handle, { bytes, tag })
          return { bytes: bytes.length, tag, handle }
        } catch (error) {
          store.staged.delete(handle)
          throw error
        }
      }),
    standing: (key, staged) => trips(`standing ${key}`, false, () => standing(key, staged)),
    publish: (key, staged) =>
      trips(`publish ${key}`, true, () => {
        const there = standing(key, staged)
        const found = store.staged.get(staged.handle)
        if (there === 'foreign' && (found || chance.happens(0.5))) return 'taken' // NOTE: of a handle that is gone each store may tell either
        store.staged.delete(staged.handle)
        if (typeof there !== 'string') return there
        if (!found) throw new Error(`nothing is staged as ${staged.handle}`)
        const { bytes } = found
        const tag = chance.happens(0.5) ? found.tag : store.newTag() // NOTE: a server may make a tag of its own
        store.objects.set(nameOf(key), { bytes, tag, handle: staged.handle })
        return { bytes: bytes.length, tag }
      }),
    discard: (_, handle) => trips(`discard ${handle}`, true, () => void store.staged.delete(handle)),
    discardStaged: (_, ownerPrefix) =>
      trips(`discard all of ${ownerPrefix}`, true, () => {
        for (const handle of store.staged.keys())
          if (handle.startsWith(nameOf(`.nightshift-${ownerPrefix}`))) store.staged.delete(handle)
      }),
    delete: (key, seen) =>
      trips(`delete ${key}`, true, () => {
        const found = store.objects.get(nameOf(key))
        if (found && found.tag !== seen.tag) return false
        store.objects.delete(nameOf(key))
        return true
      }),
  }
}
