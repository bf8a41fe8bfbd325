import { spentOf, sumOf, type Enqueued, type Quota, type Spending } from './quota.ts'

/** What a project has of each kind; what is of one batch or file alone is not added up. */
export interface Held {
  readonly open_batches: number
  readonly storage_bytes: number
  readonly spendings: readonly Spending[]
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

function usedOf(quota: Quota, held: Held): number | null {
  const { kind } = quota
  switch (kind) {
    case 'batch_lines':
    case 'file_bytes':
      return null
    case 'open_batches':
    case 'storage_bytes':
      return held[kind]
    case 'enqueued_tokens':
      return sumOf(held.enqueued, quota)
    case 'tokens_day':
    case 'tokens_month':
    case 'cost_day':
    case 'cost_month':
      return Math.floor(spentOf(held.spendings, quota))
  }
}
