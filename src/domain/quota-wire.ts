import type { Enqueued, Quota } from './quota.ts'

/** What a project has of each kind; what is of one batch or file alone is not added up. */
export interface Held {
  readonly open_batches: number
  readonly storage_bytes: number
  readonly tokens_day: number
  readonly tokens_month: number
  readonly cost_day: number
  readonly cost_month: number
  readonly enqueued: readonly Enqueued[]
}

export const quotaWire = ({ projectId, kind, model, amount }: Quota) => ({
  object: 'quota' as const,
  project: projectId as string,
  kind: kind as string,
  model,
  amount,
})
export type QuotaView = ReturnType<typeof quotaWire>

/** With what is used of it; null: it bounds each one alone. */
export const usedQuotaWire = (quota: Quota, held: Held) => ({ ...quotaWire(quota), used: usedOf(quota, held) })

export type UsedQuotaView = ReturnType<typeof usedQuotaWire>

function usedOf({ kind, model }: Quota, held: Held): number | null {
  if (kind === 'batch_lines' || kind === 'file_bytes') return null
  if (kind !== 'enqueued_tokens') return held[kind]
  return held.enqueued.reduce((sum, one) => sum + (model === null || one.model === model ? one.tokens : 0), 0)
}
