import type { Blobs } from '../blobs/blobs.ts'
import type { OpenBucket } from '../blobs/open.ts'
import type { FetchRules } from '../domain/fetch-rules.ts'
import type { DryRun } from '../domain/dry-run.ts'
import type { ProjectId } from '../domain/ids.ts'
import type { Key } from '../domain/key.ts'
import type { RateLimits } from '../domain/rate.ts'
import type { PriceList } from '../domain/price.ts'
import type { Events } from '../events.ts'
import type { Clock } from '../kit/clock.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { SigningKeys } from '../kit/signing-key.ts'
import type { CreateAnswer, CreateAsk } from '../store/create-batches.ts'
import type { Db } from '../store/db.ts'
import type { KnownQuotas } from './admin/known-quotas.ts'
import type { Serving } from './serving.ts'

/** What the API is given. */
export interface ApiParts {
  readonly db: Db
  readonly files: Blobs
  /** Where the results of batches that run lie. */
  readonly scratch: Blobs
  readonly openBucket: OpenBucket
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
  readonly serving: Serving
  /** Whose token something is, where issuers are set; null: it is none. */
  readonly subjectOf?: (token: string) => Promise<Key | null>
  /** Plans a file, and keeps nothing. */
  readonly dryRun: (ask: { projectId: ProjectId; input: string; endpoint: string }, signal: AbortSignal) => Promise<DryRun>
  readonly prices: PriceList
  readonly quotas: KnownQuotas
  /** null: this server has no signing key that all its processes know. */
  readonly webhooks: { readonly rules: FetchRules; readonly signingKeys: () => Promise<SigningKeys> } | null
  readonly version: string
  /** The data folder, where each project gets a bucket folder of its own. */
  readonly folder: string
}

export interface ApiLimits {
  /** How often a key that has no limits of its own may do things. */
  readonly rates: RateLimits
  /** How long it is kept who did what; 0: nothing is written down. */
  readonly auditMs: number
  readonly maxFileBytes: number
  /** How long the sender of an upload, or the reader of a download, may stand still. */
  readonly idleMs: number
  /** Images that lines name are read by the server, as the project may. */
  readonly inlinesImages: boolean
  /** The urls of endpoints that a batch may name. */
  readonly endpoints: readonly string[]
  /** Completion windows that may be asked for. */
  readonly windows: readonly string[]
  /** How long uploads and output files are kept. */
  readonly fileMs: number
}
