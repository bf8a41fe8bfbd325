import type { Blobs } from '../../blobs/blobs.ts'
import { planHeaderBytes, readPlanned, type PlannedLine } from '../../domain/plan-format.ts'
import type { ShardLease } from '../../domain/shard.ts'

const windowBytes = 1024 * 1024

/** Memory of a window. What lies in it may be overwritten once none of its lines is out. */
export interface Stretch {
  readonly memory: Buffer
  /** Lines that were taken from it and may be sent (again). Counted by whoever takes them. */
  out: number
}

/**
 * A shard is read in windows of 1 MiB (or one line, if that is longer), one ahead of the one that is being sent: a worker may hold many shards and little memory.
 * What lies in the shard's row is at hand at once.
 */
export interface Window {
  /** The next line, in order; undefined when it is not at hand (then `fill`), null at the end. */
  next(): PlannedLine | null | undefined
  /** Reads on, if there is anything to read and no reading is under way; resolves when lines are at hand. @throws what the blobs throw */
  fill(signal: AbortSignal): Promise<void>
  /** Where the line lies that was taken last. */
  readonly stretch: Stretch
  /** Is it time to read ahead? */
  readonly low: boolean
}

export function openWindow(scratch: Blobs, lease: ShardLease): Window {
  const blob = typeof lease.plan === 'string' ? lease.plan : null
  let stretch: Stretch = { memory: typeof lease.plan === 'string' ? Buffer.alloc(0) : lease.plan, out: 0 }
  let spare = stretch
  /** What was read of the shard, up to its last byte at hand. */
  let held = stretch.memory
  let at = 0
  let readTo = held.length
  let filling: Promise<void> | null = null

  /** Into memory that has room before it for what is at hand now, of which more will have been taken by then. */
  async function read(name: string, signal: AbortSignal): Promise<void> {
    const room = held.length - at
    const bytes = Math.min(Math.max(windowBytes, neededBytes() - room), lease.bytes - readTo)
    const next = spareFor(room + bytes)
    const range = { name, start: lease.offset + readTo, bytes }
    await scratch.readRange(range, signal, next.memory.subarray(room))
    const start = room - (held.length - at)
    held.copy(next.memory, start, at)
    held = next.memory.subarray(0, room + bytes)
    spare = stretch
    stretch = next
    at = start
    readTo += bytes
  }

  const spareFor = (bytes: number): Stretch =>
    spare.out === 0 && spare !== stretch && spare.memory.length >= bytes
      ? spare
      : { memory: Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(lease.bytes, 1.5 * windowBytes))), out: 0 }

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
      if (blob === null || readTo >= lease.bytes) return Promise.resolve()
      filling ??= read(blob, signal).finally(() => (filling = null))
      return filling
    },
    get stretch() {
      return stretch
    },
    get low() {
      return readTo < lease.bytes && held.length - at < windowBytes / 2
    },
  }
}
