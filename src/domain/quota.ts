/** What a project may have at most, set by operators. One table: a new bound is a row, and the place where it is held. */
import type { ProjectId } from './ids.ts'

export const quotaKinds = {
  open_batches: { about: 'batches that have not ended, at once', ofModel: false },
  batch_lines: { about: 'lines of a batch', ofModel: false },
  file_bytes: { about: 'bytes of a file', ofModel: false },
  storage_bytes: { about: 'bytes of all files', ofModel: false },
  enqueued_tokens: { about: 'tokens of lines that have not run yet, as estimated', ofModel: true },
  tokens_day: { about: 'tokens a day (UTC)', ofModel: false },
  tokens_month: { about: 'tokens a month (UTC)', ofModel: false },
  cost_day: { about: 'cost a day (UTC), in millionths of the currency', ofModel: false },
  cost_month: { about: 'cost a month (UTC), in millionths of the currency', ofModel: false },
} as const
export type QuotaKind = keyof typeof quotaKinds
export const isQuotaKind = (text: string): text is QuotaKind => Object.hasOwn(quotaKinds, text)

export interface Quota {
  readonly projectId: ProjectId
  readonly kind: QuotaKind
  /** null: all models together. */
  readonly model: string | null
  readonly amount: number
}

/** The amount of the quota that holds for all models; null: there is none. */
export const amountOf = (quotas: readonly Quota[], kind: QuotaKind): number | null =>
  quotas.find((q) => q.kind === kind && q.model === null)?.amount ?? null

/** A batch whose lines are still to run, and what its project may have enqueued. */
export interface Enqueued {
  readonly model: string
  readonly tokens: number
}

/** Tokens of a project that were used, or their cost: of batches that have ended this day and this month (UTC), and of those that run. */
export interface Spent {
  readonly day: number
  readonly month: number
}

/** The quota of a day or a month that what is still to run would go beyond. `cost`: in millionths of the currency. */
export function overSpent(
  quotas: readonly Quota[],
  of: 'tokens' | 'cost',
  { spent, coming }: { readonly spent: Spent; readonly coming: number },
): Quota | null {
  const beyond = ({ kind, amount }: Quota) =>
    (kind === `${of}_day` && spent.day + coming > amount) || (kind === `${of}_month` && spent.month + coming > amount)
  return quotas.find(beyond) ?? null
}

/** The quota of enqueued tokens that one more batch would go beyond; null: there is room for it. One that was set for its model is looked at first. */
export function overEnqueued(quotas: readonly Quota[], open: readonly Enqueued[], next: Enqueued): Quota | null {
  const sum = (model: string | null) => open.reduce((n, one) => n + (model === null || one.model === model ? one.tokens : 0), 0)
  const its = quotas
    .filter((q) => q.kind === 'enqueued_tokens' && (q.model === null || q.model === next.model))
    .toSorted((a, b) => Number(a.model === null) - Number(b.model === null))
  return its.find((q) => sum(q.model) + next.tokens > q.amount) ?? null
}
