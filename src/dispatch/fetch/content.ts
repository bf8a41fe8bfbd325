import type { WatchLimits } from './watch.ts'

/** What lies at an address. */
export interface Content {
  /** To be read once, and no faster than it is wanted. A chunk stays what it is. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** As it was told, or null. */
  readonly contentType: string | null
  readonly name: string | null
  /** Bytes, where that is known before they are read. */
  readonly size: number | null
}

/** Opens what a line names, as its project may read it. It closes when the signal aborts. @throws {FetchError} or the signal's reason; anything else is our own trouble. */
export type OpenAddress = (address: string, projectId: string, signal: AbortSignal) => Promise<Content>

export interface FetchLimits extends WatchLimits {
  readonly maxBytes: number
  /** Milliseconds to connect to one address of a name. */
  readonly connectMs: number
}

export const defaultLimits: FetchLimits = { maxBytes: 25 * 1024 * 1024, totalMs: 120_000, stallMs: 15_000, connectMs: 5_000 }
