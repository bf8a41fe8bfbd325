import type { BatchId, KeyId, ProjectId } from './ids.ts'
import type { Retried } from './retried.ts'
import type { Sums } from './usage.ts'

export type BatchStatus =
  'validating' | 'failed' | 'in_progress' | 'finalizing' | 'completed' | 'expired' | 'cancelling' | 'cancelled'

/** What may happen to a batch as a whole. `compose` endings are decided by `endingOf`. */
export type BatchEvent = 'planned' | 'refused' | 'cancel' | 'published complete' | 'published expired' | 'published cancelled'

/**
 * The whole life of a batch (contract 3.3). null: does not happen there. `finalizing` is stamped and left within the publishing transaction (D19), so no row
 * is ever seen in it; it stands in the table because clients know the word.
 */
export const batchAfter: Record<BatchStatus, Record<BatchEvent, BatchStatus | null>> = {
  validating: {
    planned: 'in_progress',
    refused: 'failed',
    cancel: 'cancelling',
    'published complete': null,
    'published expired': 'expired',
    'published cancelled': null,
  },
  in_progress: {
    planned: null,
    refused: null,
    cancel: 'cancelling',
    'published complete': 'completed',
    'published expired': 'expired',
    'published cancelled': null,
  },
  finalizing: {
    planned: null,
    refused: null,
    cancel: 'cancelling',
    'published complete': 'completed',
    'published expired': 'expired',
    'published cancelled': null,
  },
  cancelling: {
    planned: null,
    refused: null,
    cancel: 'cancelling',
    'published complete': null,
    'published expired': null,
    'published cancelled': 'cancelled',
  },
  cancelled: {
    planned: null,
    refused: null,
    cancel: 'cancelled',
    'published complete': null,
    'published expired': null,
    'published cancelled': null,
  },
  completed: {
    planned: null,
    refused: null,
    cancel: null,
    'published complete': null,
    'published expired': null,
    'published cancelled': null,
  },
  failed: {
    planned: null,
    refused: null,
    cancel: null,
    'published complete': null,
    'published expired': null,
    'published cancelled': null,
  },
  expired: {
    planned: null,
    refused: null,
    cancel: null,
    'published complete': null,
    'published expired': null,
    'published cancelled': null,
  },
}

export const isTerminal = (status: BatchStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'expired' || status === 'cancelled'

/** A fault of the input, found by the plan (contract 6.3). `line` is 1-based and counts physical lines; null when the fault is not of one line. */
export interface PlanError {
  readonly code: string
  readonly message: string
  readonly param: string | null
  readonly line: number | null
}

/** Of these there is nothing in the request to point at (contract 6.3). */
const withoutParam = new Set(['input_modified', 'input_no_permissions'])

/** What is wrong with an input as a whole. */
export const inputError = (code: string, message: string, param = 'input_file_id'): PlanError => ({
  code,
  message,
  param: withoutParam.has(code) ? null : param,
  line: null,
})

/** A batch as its row has it. Times are milliseconds since 1970. */
export interface Batch {
  readonly id: BatchId
  readonly projectId: ProjectId
  readonly keyId: KeyId
  readonly endpoint: string
  /** `input_file_id` as it was given: a file id or an object's address. */
  readonly input: string
  /** Of which batch it runs failed lines again; null: all lines of its input. */
  readonly retried: Retried | null
  readonly completionWindow: string
  readonly metadata: Readonly<Record<string, string>> | null
  readonly outputExpiresSeconds: number | null
  readonly status: BatchStatus
  readonly model: string | null
  readonly errors: readonly PlanError[] | null
  readonly outputFileId: string | null
  readonly errorFileId: string | null
  readonly createdAt: number
  readonly inProgressAt: number | null
  readonly expiresAt: number
  readonly finalizingAt: number | null
  readonly completedAt: number | null
  readonly failedAt: number | null
  readonly expiredAt: number | null
  readonly cancellingAt: number | null
  readonly cancelledAt: number | null
  readonly total: number
  /** It would miss its window at the present pace. */
  readonly atRisk: boolean
  /** Sums over checkpoints: of the shards while it runs, fixed in the row by publishing. */
  readonly sums: Sums
}

/** `24h` -> milliseconds; null if it is not of the form `{n}h` or `{n}d`. */
export function windowMs(text: string): number | null {
  const found = /^([1-9]\d{0,3})([hd])$/.exec(text)
  return found ? Number(found[1]) * (found[2] === 'h' ? 3_600_000 : 86_400_000) : null
}
