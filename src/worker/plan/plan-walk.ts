import type { Batch, PlanError } from '../../domain/batch.ts'
import { dayOf } from '../../domain/day.ts'
import { shown } from '../../domain/line.ts'
import { estimatedCost, type PriceList } from '../../domain/price.ts'
import type { Quota } from '../../domain/quota.ts'
import { Stopped } from '../../domain/stop.ts'
import { abortUnder, type AbortUnder } from '../../kit/abort.ts'
import { forever, makeBell } from '../../kit/forever.ts'
import { gather } from '../../store/gather.ts'
import { cancelledAmong, claimPlans, giveBackWalk, refuseBatch, type Walk } from '../../store/walks.ts'
import { startBatches, type Start } from '../../store/starts.ts'
import { makePlanMaker } from './make-plan.ts'
import { planName } from '../names.ts'
import type { WorkerParts } from '../parts.ts'
import type { PlanResult } from './plan-spec.ts'
import { underLease } from '../walk-lease.ts'

/** More wait in the planner's own queue, where small files pass big ones. */
const walksAtOnce = 64
const startsAtOnce = 32
/** Cancels are told of; looking is for those whose hint was lost, and for windows that end. */
const lookEveryMs = 500
/** What waits after another failure leaves its place to others for longer. */
const again = { baseMs: 2000, maxMs: 15_000 }

/** The part of a worker that plans: claims batches that wait for it, has them planned off this thread, and starts or refuses them. */
export function makePlanWalker(parts: WorkerParts): { run(signal: AbortSignal): Promise<void> } {
  const { db, clock, log, events, owner, settings, prices } = parts
  const bell = makeBell(clock)
  const walking = new Map<string, { readonly stop: AbortUnder; readonly ended: Promise<void> }>()
  let moreWait = false
  let lookedAt = -Infinity
  const makePlan = makePlanMaker(parts)
  const start = gather(db, (tx, starts: readonly Start[]) => startBatches(tx, starts, prices), startsAtOnce)

  async function step(signal: AbortSignal): Promise<number> {
    if (walking.size > 0 && clock.monotonic() - lookedAt >= lookEveryMs) {
      lookedAt = clock.monotonic()
      await stopCancelled()
    }
    const room = walksAtOnce - walking.size
    const walks = room === 0 ? [] : await claimPlans(db, owner, settings.leaseMs, room, [...walking.keys()])
    moreWait = walks.length === room
    for (const walk of walks) {
      const stop = abortUnder(signal)
      const ended = walkPlan(walk, stop.signal).finally(() => {
        stop.leave()
        walking.delete(walk.batch.id)
        if (moreWait && walking.size <= walksAtOnce / 2) bell.ring()
      })
      walking.set(walk.batch.id, { stop, ended })
    }
    return 1000
  }

  async function walkPlan({ batch, fence }: Walk, outer: AbortSignal): Promise<void> {
    const startedAt = clock.monotonic()
    try {
      await underLease({ db, clock, settings }, { batch, fence }, outer, async (signal) => {
        const result = await makePlan({ batch, fence }, signal)
        if (await conclude(batch, fence, result, clock.monotonic() - startedAt)) return
        await giveBackWalk(db, batch.id, fence, 0, null) // NOTE: a cancel came first; whoever composes ends it
        db.hint('compose')
      })
    } catch (error) {
      if (outer.aborted) {
        await giveBackWalk(db, batch.id, fence, 0).catch(() => {})
        return db.hint('compose')
      }
      log.warn('a plan failed; it is tried again', { batch: batch.id, error })
      const trouble = `its input cannot be read: ${error instanceof Error ? error.message : 'unknown'}`
      await giveBackWalk(db, batch.id, fence, Math.min(again.maxMs, again.baseMs * 2 ** (fence - 1)), trouble).catch(() => {})
    }
  }

  /** False: the batch waits for a plan no longer, or the fence is old. */
  async function conclude(batch: Batch, fence: number, result: PlanResult & { inputTag?: string }, ms: number): Promise<boolean> {
    if (result.kind === 'refused') {
      const refused = await refuseBatch(db, batch.id, fence, result.errors)
      if (refused) events.batchRefused(batch, result.errors)
      return refused
    }
    const { lines, model, shards } = result
    const blob = shards.every(({ body }) => body !== undefined) ? null : planName(batch.projectId, batch.id, fence)
    const started = await start({
      id: batch.id,
      fence,
      plan: {
        ...result,
        blob,
        tokens: result.tokens.input + result.tokens.output,
        cost: estimatedCost(prices, model, dayOf(clock.now()), result.tokens),
      },
    })
    if (typeof started === 'object')
      return conclude(batch, fence, { kind: 'refused', errors: [overQuota(batch, model, started, prices)] }, ms)
    if (started === 'lost') return false
    events.batchPlanned(batch, { lines, model, shards: shards.length, ms })
    db.hint('run')
    return true
  }

  /** A cancel (or the end of the window) while a plan is being made ends the making. */
  async function stopCancelled(): Promise<void> {
    for (const id of await cancelledAmong(db, [...walking.keys()]))
      walking.get(id)?.stop.abort(new Stopped({ kind: 'cancelled' }))
  }

  return {
    async run(signal) {
      const ends = [db.listen('plan', () => bell.ring()), db.listen('change', () => void stopCancelled().catch(() => {}))]
      await forever('plan', step, { clock, log, bell, random: parts.random }, signal)
      for (const end of ends) end()
      await Promise.all([...walking.values()].map((w) => w.ended))
    },
  }
}

/** In the words of contract 6.3, where it has some. */
function overQuota(
  { projectId }: Batch,
  model: string,
  { kind, amount, model: only }: Quota,
  { currency }: PriceList,
): PlanError {
  const most = `${kind.startsWith('cost_') ? `${amount / 1e6} ${currency}` : `${amount} tokens`}${only === null ? '' : ` for ${shown(only)}`}`
  const message =
    kind === 'enqueued_tokens'
      ? `Enqueued token limit reached for ${only === null ? 'all models' : shown(model)} in project ${projectId}. Limit: ${amount} enqueued tokens. Please try again once some in_progress batches have been completed.`
      : `This batch would take project ${projectId} beyond its limit of ${most} a ${kind.endsWith('_day') ? 'day' : 'month'} (UTC). Please try again when the next one has begun, or make the batch smaller.`
  return { code: 'token_limit_exceeded', message, param: null, line: null }
}
