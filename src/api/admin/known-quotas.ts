/** What projects may have, as the API holds them to it. */
import { overQuota, type ApiError } from '../../domain/errors.ts'
import type { ProjectId } from '../../domain/ids.ts'
import type { PriceList } from '../../domain/price.ts'
import { amountOf, type Quota } from '../../domain/quota.ts'
import type { Held } from '../../domain/quota-wire.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Db } from '../../store/db.ts'
import { countOpen, quotasOf, runningOf, spentTokens, storedBytes } from '../../store/quotas.ts'
import { spentCost } from '../../store/spent-cost.ts'

const knownMs = 2000
const knownAtMost = 10_000

export interface KnownQuotas {
  /** Of a project, as they were two seconds ago at most. */
  of(projectId: ProjectId): Promise<readonly Quota[]>
  /** Why a project may not create a batch now: it has used what it may this day or month. */
  overSpending(projectId: ProjectId): Promise<ApiError | null>
}

export function knowQuotas({ db, clock, prices }: { db: Db; clock: Clock; prices: PriceList }): KnownQuotas {
  const known = new Map<ProjectId, { readonly quotas: Promise<readonly Quota[]>; readonly until: number }>()

  function of(projectId: ProjectId): Promise<readonly Quota[]> {
    const there = known.get(projectId)
    if (there && there.until > clock.monotonic()) return there.quotas
    if (known.size >= knownAtMost) known.clear()
    const quotas = quotasOf(db, [projectId])
    known.set(projectId, { quotas, until: clock.monotonic() + knownMs })
    quotas.catch(() => known.delete(projectId))
    return quotas
  }

  return {
    of,
    async overSpending(projectId) {
      const quotas = await of(projectId)
      const bounds = spendings.filter((kind) => amountOf(quotas, kind) !== null)
      if (bounds.length === 0) return null
      const used = await usedOf({ db, prices }, projectId)
      const over = bounds.find((kind) => used[kind] >= (amountOf(quotas, kind) ?? 0))
      return over ? overQuota(over, amountOf(quotas, over) ?? 0, untilNext(over, clock.now())) : null
    },
  }
}

const spendings = ['tokens_day', 'tokens_month', 'cost_day', 'cost_month'] as const

/** Seconds until the bound begins anew. */
function untilNext(kind: (typeof spendings)[number], now: number): number {
  const date = new Date(now)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  const next = kind.endsWith('_day') ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1, 1)
  return Math.ceil((next - now) / 1000)
}

type Used = Readonly<Record<(typeof spendings)[number], number>>

/** What a project has used this day and this month (UTC): batches that have ended on them, and what those that run have used by now. */
async function usedOf({ db, prices }: { db: Db; prices: PriceList }, projectId: ProjectId): Promise<Used> {
  const [tokens, cost] = [await spentTokens(db, projectId), await spentCost(db, prices, projectId)]
  return { tokens_day: tokens.day, tokens_month: tokens.month, cost_day: cost.day, cost_month: cost.month }
}

/** All that a project has of what can be bounded. */
export async function heldOf(parts: { db: Db; prices: PriceList }, projectId: ProjectId): Promise<Held> {
  const { db } = parts
  return {
    ...(await usedOf(parts, projectId)),
    open_batches: (await countOpen(db, [projectId])).get(projectId) ?? 0,
    storage_bytes: await storedBytes(db, projectId),
    enqueued: await runningOf(db, projectId),
  }
}
