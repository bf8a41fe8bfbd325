import type { Batch } from './batch.ts'
import { dayOf, type Day } from './day.ts'
import { isAudio } from './endpoints.ts'
import { costOf, costWire, type Cost, type PriceList } from './price.ts'
import { secondsOrNull } from './seconds.ts'
import type { Usage } from './usage.ts'

/** The five token fields always; what is billed by duration says so (D18), and has its seconds also where some of its answers told tokens instead. */
export function usageWire(u: Usage, endpoint: string) {
  const byDuration = isAudio(endpoint) && u.totalTokens === 0
  return {
    type: byDuration ? 'duration' : 'tokens',
    ...(byDuration || u.durationMs > 0 ? { seconds: u.durationMs / 1000 } : {}),
    input_tokens: u.inputTokens,
    input_tokens_details: { cached_tokens: u.cachedTokens },
    output_tokens: u.outputTokens,
    output_tokens_details: { reasoning_tokens: u.reasoningTokens },
    total_tokens: u.totalTokens,
  }
}

/** What a batch cost on the day on which it ended, or has cost so far at what it costs today; nothing where there is no price list. */
function costIn(b: Batch, list: PriceList, today: Day): { cost?: Cost | null } {
  if (list.prices.length === 0) return {}
  const endedAt = b.completedAt ?? b.expiredAt ?? b.cancelledAt ?? b.failedAt
  return { cost: costWire(list, costOf(list, b.model, endedAt === null ? today : dayOf(endedAt), b.sums)) }
}

/** A batch as clients see it (contract 3.1): all keys always, what is not set is null, times in whole seconds. `at_risk` is ours, and there while it is true; so is `cost`, there where the operator has set prices. */
export const batchWire = (b: Batch, prices: PriceList, today: Day) => ({
  id: b.id,
  object: 'batch',
  endpoint: b.endpoint,
  model: b.model,
  errors: b.errors && { object: 'list', data: b.errors },
  input_file_id: b.input,
  completion_window: b.completionWindow,
  status: b.status,
  output_file_id: b.outputFileId,
  error_file_id: b.errorFileId,
  created_at: secondsOrNull(b.createdAt),
  in_progress_at: secondsOrNull(b.inProgressAt),
  expires_at: secondsOrNull(b.expiresAt),
  finalizing_at: secondsOrNull(b.finalizingAt),
  completed_at: secondsOrNull(b.completedAt),
  failed_at: secondsOrNull(b.failedAt),
  expired_at: secondsOrNull(b.expiredAt),
  cancelling_at: secondsOrNull(b.cancellingAt),
  cancelled_at: secondsOrNull(b.cancelledAt),
  request_counts: { total: b.total, completed: b.sums.completed, failed: b.sums.failed },
  usage: usageWire(b.sums, b.endpoint),
  metadata: b.metadata,
  ...(b.atRisk && { at_risk: true }),
  ...costIn(b, prices, today),
})

export interface FileFacts {
  readonly id: string
  readonly purpose: string
  readonly filename: string
  readonly bytes: number
  readonly createdAt: number
  readonly expiresAt: number | null
}

/** A file as clients see it. `status` is deprecated at OpenAI and required all the same; a file is there as soon as it is named. */
export const fileWire = (f: FileFacts) => ({
  id: f.id,
  object: 'file',
  purpose: f.purpose,
  filename: f.filename,
  bytes: f.bytes,
  created_at: secondsOrNull(f.createdAt),
  expires_at: secondsOrNull(f.expiresAt),
  status: 'processed',
  status_details: null,
})

export const listWire = <T extends { readonly id: string }>(data: readonly T[], hasMore: boolean) => ({
  object: 'list',
  data,
  first_id: data[0]?.id ?? null,
  last_id: data.at(-1)?.id ?? null,
  has_more: hasMore && data.length > 0,
})

/** Of files that batches write. */
export const resultsPurpose = 'batch_output'

/** A list that has no pages. */
export const wholeList = <T>(data: readonly T[]) => ({ object: 'list' as const, data, has_more: false })
