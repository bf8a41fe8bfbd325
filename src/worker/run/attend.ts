import type { BatchId } from '../../domain/ids.ts'
import { Stopped } from '../../domain/stop.ts'
import { giveBackShards } from '../../store/shards.ts'
import type { BatchRun, Held } from './batch-run.ts'
import type { Budget } from './budget.ts'
import type { WorkerParts } from '../parts.ts'

export interface Attendant {
  /** What a shard needs now: to be finished, given back, or saved so far. */
  attend(run: BatchRun, held: Held): void
  /** Its lease is another's: nothing of it may be saved any more. */
  lose(run: BatchRun, held: Held): void
}

export interface AttendantParts extends Pick<WorkerParts, 'db' | 'dispatcher' | 'clock' | 'log' | 'events' | 'settings'> {
  readonly budget: Budget
  /** A shard of this batch was finished: it may be ready to be composed. */
  readonly ripe: (id: BatchId) => void
  /** Saves go on until this aborts. */
  readonly saving: AbortSignal
  /** It was finished, given back or lost. */
  readonly release: (run: BatchRun, held: Held) => void
}

export function makeAttendant(parts: AttendantParts): Attendant {
  const { db, dispatcher, clock, log, events, settings, budget, saving, release, ripe } = parts

  function attend(run: BatchRun, held: Held): void {
    const { shard, saver } = held
    if (saver.busy || held.leaving) return
    const over = shard.left === 0 || (shard.signal.aborted && shard.out === 0)
    if (over) {
      held.leaving = true
      void finish(run, held)
    } else if (!shard.signal.aborted && shard.bufferedSince !== null && flushDue(held)) void flush(run, held)
  }

  function flushDue({ shard }: Held): boolean {
    const age = clock.monotonic() - (shard.bufferedSince ?? Infinity)
    return age >= settings.flushMs || shard.bufferedBytes >= settings.flushBytes || budget.pressed(shard)
  }

  async function finish(run: BatchRun, held: Held): Promise<void> {
    const { shard, saver } = held
    const lost = shard.signal.aborted && (shard.signal.reason as Stopped).why.kind === 'lease-lost'
    try {
      if (shard.left === 0) {
        const committed = await saver.finish(saving)
        if (committed === 'committed') events.shardDone(shard.lease)
        else events.leaseLost(shard.lease)
        ripe(shard.lease.batchId)
      } else if (!lost) {
        if (shard.bufferedSince !== null) await saver.checkpoint(saving)
        await giveBackShards(db, [{ batchId: shard.lease.batchId, number: shard.lease.number, fence: shard.lease.fence }])
        db.hint('compose')
        db.hint('run')
      }
    } catch (error) {
      log.warn('a shard was left as it was; another worker takes it when its lease has ended', {
        batch: run.batchId,
        shard: shard.lease.number,
        error,
      })
    } finally {
      release(run, held)
    }
  }

  async function flush(run: BatchRun, held: Held): Promise<void> {
    const committed = await held.saver.checkpoint(saving).catch(() => null) // NOTE: told by `troubled`; the lease lapses
    if (committed === 'lost') lose(run, held)
    attend(run, held)
  }

  function lose(run: BatchRun, { shard }: Held): void {
    if (shard.signal.aborted) return
    events.leaseLost(shard.lease)
    shard.abort(new Stopped({ kind: 'lease-lost' }))
    dispatcher.wake(run) // NOTE: the lanes may have passed it over for this shard
  }

  return { attend, lose }
}
