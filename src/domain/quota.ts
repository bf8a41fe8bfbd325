/** What a project may have at most, set by operators. One table: a new bound is a row, and the place where it is held. */
import type { ProjectId } from './ids.ts'

export const quotaKinds = {
  open_batches: { about: 'batches that have not ended, at once', ofModel: false },
  batch_lines: { about: 'lines of a batch', ofModel: false },
  file_bytes: { about: 'bytes of a file', ofModel: false },
  storage_bytes: { about: 'bytes of all files', ofModel: false },
  enqueued_tokens: { about: 'tokens of lines that have not run yet, as estimated', ofModel: true },
  tokens_day: { about: 'tokens a day (UTC)', ofModel: true },
  tokens_month: { about: 'tokens a month (UTC)', ofModel: true },
  cost_day: { about: 'cost a day (UTC), in millionths of the currency', ofModel: true },
  cost_month: { about: 'cost a month (UTC), in millionths of the currency', ofModel: true },
} as const
export type QuotaKind = keyof typeof quotaKinds
/** Of these what was spent counts, and begins anew. */
export const kindsOfTime = ['tokens_day', 'tokens_month', 'cost_day', 'cost_month'] as const satisfies readonly QuotaKind[]
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

/** A batch whose lines are still to run, and what they are taken for. */
export interface Enqueued {
  readonly model: string
  readonly tokens: number
  /** In millionths of the currency. */
  readonly cost: number
}

/** What was taken of a model in this month (UTC), today or before. */
export interface Spending extends Enqueued {
  readonly isToday: boolean
}

/** How much of a quota they take together. */
export const sumOf = (of: readonly Enqueued[], { kind, model }: Pick<Quota, 'kind' | 'model'>): number =>
  of.reduce((n, one) => n + (model === null || one.model === model ? (kind.startsWith('cost_') ? one.cost : one.tokens) : 0), 0)

export const isOfTime = ({ kind }: Pick<Quota, 'kind'>): boolean => kindsOfTime.some((one) => one === kind)

/** How much of a quota of a day or a month was spent. */
export const spentOf = (spendings: readonly Spending[], quota: Pick<Quota, 'kind' | 'model'>): number =>
  sumOf(
    spendings.filter(({ isToday }) => isToday || quota.kind.endsWith('_month')),
    quota,
  )

/** The quota of a day or a month beyond which one more batch would go, once what is enqueued has run too. */
export function overSpent(
  quotas: readonly Quota[],
  spendings: readonly Spending[],
  open: readonly Enqueued[],
  next: Enqueued,
): Quota | null {
  const its = quotas.filter((q) => isOfTime(q) && (q.model === null || q.model === next.model))
  return its.find((q) => spentOf(spendings, q) + sumOf([...open, next], q) > q.amount) ?? null
}

/** The quota of enqueued tokens that one more batch would go beyond; null: there is room for it. One that was set for its model is looked at first. */
export function overEnqueued(quotas: readonly Quota[], open: readonly Enqueued[], next: Enqueued): Quota | null {
  const its = quotas
    .filter((q) => q.kind === 'enqueued_tokens' && (q.model === null || q.model === next.model))
    .toSorted((a, b) => Number(a.model === null) - Number(b.model === null))
  return its.find((q) => sumOf([...open, next], q) > q.amount) ?? null
}
