import type { Blobs } from '../blobs/blobs.ts'
import { planHeaderBytes, readPlanned, type PlannedLine } from '../domain/plan-format.ts'
import type { ShardLease } from '../domain/shard.ts'

const windowBytes = 1024 * 1024

/** A shard is read in windows of 1 MiB (or one line, if that is longer), one ahead of the one that is being sent: a worker may hold many shards and little memory. */
export interface Window {
  /** The next line, in order; undefined when it is not at hand (then `fill`), null at the end. */
  next(): PlannedLine | null | undefined
  /** Reads on, if there is anything to read and no reading is under way; resolves when lines are at hand. @throws what the blobs throw */
  fill(signal: AbortSignal): Promise<void>
  /** Is it time to read ahead? */
  readonly low: boolean
}

export function openWindow(scratch: Blobs, lease: ShardLease): Window {
  let held: Buffer = Buffer.alloc(0)
  let at = 0
  let readTo = 0
  let filling: Promise<void> | null = null

  async function read(signal: AbortSignal): Promise<void> {
    const wanted = Math.max(windowBytes, neededBytes() - (held.length - at))
    const chunk = await scratch.readRange(
      { name: lease.planBlob, start: lease.offset + readTo, bytes: Math.min(wanted, lease.bytes - readTo) },
      signal,
    )
    held = at === held.length ? chunk : Buffer.concat([held.subarray(at), chunk])
    at = 0
    readTo += chunk.length
  }

  /** How many bytes the line at hand has, if its header can be read. */
  const neededBytes = (): number => (held.length - at >= planHeaderBytes ? 4 + held.readUInt32LE(at) : planHeaderBytes)

  return {
    next() {
      const found = readPlanned(held, at)
      if (found) {
        at = found.next
        return found.line
      }
      return readTo < lease.bytes ? undefined : null
    },
    fill(signal) {
      if (readTo >= lease.bytes) return Promise.resolve()
      filling ??= read(signal).finally(() => (filling = null))
      return filling
    },
    get low() {
      return readTo < lease.bytes && held.length - at < windowBytes / 2
    },
  }
}
