import type { Blobs, BlobsPlace } from '../blobs/blobs.ts'
import type { Bucket } from '../blobs/bucket.ts'
import type { Sent } from '../dispatch/fetch/hop.ts'
import type { Dispatcher } from '../dispatch/feed.ts'
import type { BucketPlace } from '../domain/grant.ts'
import type { PriceList } from '../domain/price.ts'
import type { Events } from '../events.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'
import type { SigningKeys } from '../kit/signing-key.ts'
import type { Db } from '../store/db.ts'
import type { Planner } from './plan/planner.ts'

/** How webhooks are called. */
export interface WebhookParts {
  /** The status of the answer. @throws {FetchError}, or the signal's reason */
  readonly post: (address: string, sent: Sent, signal: AbortSignal) => Promise<number>
  /** Longer no call takes. */
  readonly tryMs: number
  /** What their secrets are made from. */
  readonly signingKeys: () => Promise<SigningKeys>
}

/** What a worker is given. */
export interface WorkerParts {
  readonly db: Db
  readonly files: Blobs
  readonly scratch: Blobs
  /** How a planning thread opens the two. */
  readonly filesPlace: BlobsPlace
  readonly scratchPlace: BlobsPlace
  readonly openBucket: (place: BucketPlace, bucket: string) => Bucket
  readonly dispatcher: Dispatcher
  readonly planner: Planner
  readonly clock: Clock
  readonly log: Log
  readonly events: Events
  readonly random: () => number
  readonly randomBytes: (n: number) => Uint8Array
  /** Names this worker in leases; unique to this start of it. */
  readonly owner: string
  readonly settings: WorkerSettings
  readonly webhooks: WebhookParts
  /** By which the money quotas of projects are held. */
  readonly prices: PriceList
}

export interface WorkerSettings {
  readonly leaseMs: number
  readonly renewMs: number
  /** How often it looks at its batches. */
  readonly lookMs: number
  readonly flushMs: number
  readonly flushBytes: number
  /** Shards held, as bytes of memory. */
  readonly heldBytes: number
  readonly shardLines: number
  readonly shardBytes: number
  /** A plan of at most so many bytes lies in the rows of its shards, and so do their results if they are no longer: a batch of a few lines costs no blob but its output. */
  readonly shortBytes: number
  readonly maxLines: number
  readonly maxFileBytes: number
  readonly maxInputs: number
  readonly maxLineBytes: number
  /** On a stop: how long calls that are open may take to end. */
  readonly graceMs: number
  readonly suffixes: { readonly output: string; readonly error: string }
  /** How long output files are kept. */
  readonly outputFileMs: number
  /** How long batches that have ended are kept; 0: for good. */
  readonly keepBatchesMs: number
  /** How long it is kept who did what. */
  readonly keepAuditMs: number
  /** Are there, or could there be, other workers on this database? Then slots are claimed, and shards of a small batch cut for all. */
  readonly fleet: boolean
}
