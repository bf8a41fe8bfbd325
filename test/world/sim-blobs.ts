import { BlobMissing, checkBlobName, readAll, type Blobs, type BlobSource } from '../../src/blobs/blobs.ts'
import type { Chance } from '../support/chance.ts'
import type { Life } from './life.ts'
import type { Profile } from './profile.ts'
import type { Trip } from './trip.ts'

/** A store of blobs as it lies on the disk of a world. */
export interface BlobStore {
  readonly name: string
  readonly blobs: Map<string, { bytes: Buffer; changedAt: number }>
  /** What puts have begun and not ended: of one that was killed it stays. */
  readonly temporary: Set<{ readonly changedAt: number }>
  /** Told of each blob that is written, before it is there, and of each that is deleted. */
  readonly placing: (name: string, bytes: Buffer) => void
  readonly deleting: (name: string) => Promise<void>
}

export interface BlobsParts {
  readonly life: Life
  readonly trip: Trip
  readonly chance: Chance
  readonly profile: () => Profile
}

const refusal = () => new Error('the blob store answers 503')

export function blobsOf(store: BlobStore, { life, trip, chance, profile }: BlobsParts): Blobs {
  const trips = <T>(what: string, changes: boolean, effect: () => Promise<T>): Promise<T> =>
    trip({ what: () => `${store.name}: ${what}`, changes, effect, refusal })

  async function write(name: string, source: BlobSource, signal?: AbortSignal): Promise<number> {
    const aside = { changedAt: life.clock.now() }
    store.temporary.add(aside)
    const breaks = chance.happens(profile().half)
    try {
      const bytes = await gather(source, breaks)
      if (chance.happens(0.3)) await life.clock.sleep(chance.between(1, 1 + Math.round(profile().slowMs)))
      signal?.throwIfAborted()
      store.placing(name, bytes)
      store.blobs.set(name, { bytes, changedAt: life.clock.now() })
      return bytes.length
    } finally {
      store.temporary.delete(aside) // NOTE: of a process that crashed nothing comes here, and it stays
    }
  }

  async function gather(source: BlobSource, breaks: boolean): Promise<Buffer> {
    const chunks: Buffer[] = []
    if (source instanceof Uint8Array) chunks.push(Buffer.from(source))
    else
      for await (const chunk of source) {
        chunks.push(Buffer.from(chunk)) // NOTE: a chunk is good until the next is asked for
        if (breaks) throw refusal()
      }
    if (breaks) throw refusal()
    return Buffer.concat(chunks)
  }

  async function bytesOf(name: string, start: number, length: number | undefined): Promise<Buffer> {
    const found = await trips(`read ${name}`, false, async () => store.blobs.get(name)?.bytes ?? null)
    if (!found) throw new BlobMissing(`There is no blob '${name}'.`)
    const end = length === undefined ? found.length : start + length
    if (end > found.length) throw new BlobMissing(`The blob '${name}' is shorter than what is asked of it.`)
    return found.subarray(start, end)
  }

  const blobs: Blobs = {
    place: null,
    async put(name, source, signal) {
      checkBlobName(name)
      signal?.throwIfAborted()
      return trips(`put ${name}`, true, () => write(name, source, signal))
    },
    async *read(name, range = { start: 0 }, signal) {
      const found = await bytesOf(name, range.start, range.bytes)
      const breaksAt = chance.happens(profile().half) ? found.length * chance.next() : Infinity
      for (let at = 0; at < found.length;) {
        signal?.throwIfAborted()
        if (at >= breaksAt) throw new Error('the blob store broke off')
        const chunk = Buffer.from(found.subarray(at, (at += chance.pick([300, 1000, 10_000]))))
        yield chunk
        chunk.fill(0x21)
      }
    },
    async readRange({ name, start, bytes }, signal, into) {
      signal?.throwIfAborted()
      const found = await bytesOf(name, start, bytes)
      if (!into) return Buffer.from(found)
      found.copy(into)
      return into.subarray(0, bytes)
    },
    head: (name) => trips(`head ${name}`, false, async () => store.blobs.get(name)?.bytes.length ?? null),
    compose: (name, ranges, from, signal) => blobs.put(name, readAll(from, ranges, signal), signal),
    async delete(names) {
      for (const name of names)
        await trips(`delete ${name}`, true, async () => {
          await store.deleting(name)
          store.blobs.delete(name)
        })
    },
    async *list(prefix) {
      const found = await trips(`list ${prefix}`, false, async () => [...store.blobs.keys()].filter((n) => n.startsWith(prefix)))
      for (const name of found.toSorted()) {
        const blob = store.blobs.get(name)
        if (blob) yield { name, bytes: blob.bytes.length, changedAt: blob.changedAt }
      }
    },
    async sweepTemporary(olderThan) {
      for (const aside of store.temporary) if (aside.changedAt < olderThan) store.temporary.delete(aside)
    },
  }
  return blobs
}
