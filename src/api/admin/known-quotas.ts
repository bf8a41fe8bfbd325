/** What projects may have, as the API holds them to it. */
import { overQuota, type ApiError } from '../../domain/errors.ts'
import type { ProjectId } from '../../domain/ids.ts'
import type { PriceList } from '../../domain/price.ts'
import { amountOf, kindsOfTime, spentOf, type Quota } from '../../domain/quota.ts'
import type { Held } from '../../domain/quota-wire.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Db } from '../../store/db.ts'
import { countOpen, quotasOf, runningOf, storedBytes } from '../../store/quotas.ts'
import { spendingsOf } from '../../store/spendings.ts'

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
      const bounds = kindsOfTime.filter((kind) => amountOf(quotas, kind) !== null)
      if (bounds.length === 0) return null
      const spendings = await spendingsOf(db, prices, projectId)
      const over = bounds.find((kind) => spentOf(spendings, { kind, model: null }) >= (amountOf(quotas, kind) ?? 0))
      return over ? overQuota(over, amountOf(quotas, over) ?? 0, untilNext(over, clock.now())) : null
    },
  }
}

/** Seconds until the bound begins anew. */
function untilNext(kind: (typeof kindsOfTime)[number], now: number): number {
  const date = new Date(now)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  const next = kind.endsWith('_day') ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1, 1)
  return Math.ceil((next - now) / 1000)
}

/** All that a project has of what can be bounded. */
export async function heldOf({ db, prices }: { db: Db; prices: PriceList }, projectId: ProjectId): Promise<Held> {
  return {
    spendings: await spendingsOf(db, prices, projectId),
    open_batches: (await countOpen(db, [projectId])).get(projectId) ?? 0,
    storage_bytes: await storedBytes(db, projectId),
    enqueued: await runningOf(db, projectId),
  }
}
