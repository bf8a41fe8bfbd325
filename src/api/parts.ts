import type { Blobs } from '../blobs/blobs.ts'
import type { Caller } from '../auth/caller.ts'
import type { Events } from '../events.ts'
import type { Clock } from '../kit/clock.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { CreateAnswer, CreateAsk } from '../store/create-batches.ts'
import type { Db } from '../store/db.ts'

/** What the API is given. */
export interface ApiParts {
  readonly db: Db
  readonly files: Blobs
  /** Where the results of batches that run lie. */
  readonly scratch: Blobs
  readonly clock: Clock
  readonly events: Events
  readonly metrics: Metrics
  readonly randomBytes: (n: number) => Uint8Array
  readonly newUuid: () => string
  /** Makes a batch, with those that are made at the same time. */
  readonly createTogether: (ask: CreateAsk) => Promise<CreateAnswer>
  /** Reasons why it cannot serve right now; empty when it can. */
  readonly readiness: () => Promise<readonly string[]>
  readonly limits: ApiLimits
  readonly version: string
}

export interface ApiLimits {
  readonly maxFileBytes: number
  /** How long the sender of an upload, or the reader of a download, may stand still. */
  readonly idleMs: number
  /** The urls of endpoints that a batch may name. */
  readonly endpoints: readonly string[]
  /** Completion windows that may be asked for. */
  readonly windows: readonly string[]
  /** How long uploads and output files are kept. */
  readonly fileMs: number
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
  }
}
