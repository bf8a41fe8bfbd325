import type { BlobsPlace } from '../../blobs/blobs.ts'
import type { ObjectSeen } from '../../blobs/bucket.ts'
import type { PlanError } from '../../domain/batch.ts'
import type { Estimate } from '../../domain/estimate.ts'
import type { BucketPlace } from '../../domain/grant.ts'
import type { PlannedShard } from '../../store/starts.ts'
import type { FailedLines } from '../../domain/retried.ts'

/** Bytes that a plan reads. */
export type PlanSource =
  | { readonly kind: 'blob'; readonly place: BlobsPlace; readonly name: string }
  | {
      readonly kind: 'object'
      readonly place: BucketPlace
      readonly bucket: string
      readonly key: string
      readonly seen: ObjectSeen
    }

/** Only these lines of the input are planned: those that an error file of another batch has. */
export interface PlanRetry {
  readonly errors: PlanSource
  /** What the ids of its result lines begin with. */
  readonly prefix: string
  readonly only: FailedLines
}

/** A plan as a plain value: it crosses to a thread. */
export interface PlanSpec {
  readonly input: PlanSource
  readonly gzip: boolean
  /** Absent: all lines. */
  readonly retry?: PlanRetry | null
  /** null: the plan is only made to see what comes of it. */
  readonly target: { readonly place: BlobsPlace; readonly name: string } | null
  readonly endpoint: string
  readonly maxLines: number
  readonly maxFileBytes: number
  /** Inputs to embed, over all lines. */
  readonly maxInputs: number
  readonly maxLineBytes: number
  /** All that there are; null: there may be others. */
  readonly models: readonly string[] | null
  readonly workers: number
  readonly shardLines: number
  readonly shardBytes: number
  /** Is the input so short that its plan goes into the rows of its shards? */
  readonly short: boolean
}

export type PlanResult =
  | {
      readonly kind: 'planned'
      readonly lines: number
      readonly bytes: number
      /** As far as can be told before its lines have run. */
      readonly tokens: Estimate
      readonly model: string
      readonly shards: readonly PlannedShard[]
    }
  | { readonly kind: 'refused'; readonly errors: readonly PlanError[] }
