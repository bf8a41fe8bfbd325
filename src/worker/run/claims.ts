import type { ShardLease } from '../../domain/shard.ts'
import { turnOfLoop } from '../../kit/forever.ts'
import { gather } from '../../store/gather.ts'
import { finishShards } from '../../store/segments.ts'
import { claimShards, claimShort, type OpenBatch } from '../../store/shards.ts'
import type { BatchRun, Held } from './batch-run.ts'
import type { Budget } from './budget.ts'
import { holdShard } from './held-shard.ts'
import type { WorkerParts } from '../parts.ts'
import { makeSaver } from './saver.ts'
import { makeSlabs } from './slabs.ts'
import { turns, type AtHand } from './turns.ts'

/** After claiming for so long it looks again before it goes on: looks must stay fresh. */
const claimingMs = 300
/** Short batches that are claimed in one statement, and how many shards of each. */
const shortAtOnce = 32
const shortShards = 4
const finishesAtOnce = 32
/** A project's lines at hand are enough at so many times what the lanes take at once, and at what backends that answer at once take in a tenth of a second. */
const enoughTimes = 4
const enoughLines = 2000
/** So many times what is saved at once is kept of the memory that results were gathered in. */
const slabsKept = 2
/** Counted off the lease, for clocks that differ and statements that wait. */
export const leaseMarginMs = 1000

/** A batch whose plan lies in the rows of its shards: it is claimed whole, many of them in one statement. */
const isShort = ({ planBlob }: OpenBatch): boolean => planBlob === null

export interface Claims {
  /** Claims shards where fewer lines are at hand than the lanes can take. False: it took long, and not all had their turn. */
  claimFor(open: readonly OpenBatch[], signal: AbortSignal): Promise<boolean>
  /** There are batches to claim for, and no memory for them, or enough at hand: they are looked at again when a shard is released. */
  readonly starved: boolean
}

export interface ClaimsParts extends Pick<
  WorkerParts,
  'db' | 'scratch' | 'dispatcher' | 'clock' | 'log' | 'events' | 'owner' | 'settings' | 'random'
> {
  readonly budget: Budget
  readonly runs: ReadonlyMap<string, BatchRun>
  readonly runOf: (batch: OpenBatch) => BatchRun
  readonly attend: (run: BatchRun, held: Held) => void
  readonly requestId: () => string
  /** Until this aborts, what is held is read and saved. */
  readonly saving: AbortSignal
}

export function makeClaims(parts: ClaimsParts): Claims {
  const { db, scratch, dispatcher, clock, log, events, owner, settings, random } = parts
  const { budget, runs, runOf, attend, requestId, saving } = parts
  const slabs = makeSlabs(slabsKept * settings.flushBytes)
  const finish = gather(db, finishShards, finishesAtOnce)
  let starved = false

  const capacityOf = ({ model, endpoint }: OpenBatch) => dispatcher.capacity(model, endpoint)

  /** NOTE: what cannot be taken, or claimed, counts as nothing: others must not wait for it */
  const atHand: AtHand = {
    lines(batch) {
      const run = runs.get(batch.id)
      if (run?.isDry || run?.isBarren) return 0
      return batch.waiting ? Math.max(run?.unsent ?? 0, batch.lines) : (run?.unsent ?? 0)
    },
    enough: (batch) => Math.max(enoughLines, enoughTimes * capacityOf(batch), runs.get(batch.id)?.wanted ?? 0),
  }

  /** Should a shard of it be claimed now? */
  function wants(batch: OpenBatch): boolean {
    const capacity = capacityOf(batch)
    if (!batch.waiting || capacity === 0) return false
    if (budget.full(batch)) {
      starved = true
      return false
    }
    const run = runOf(batch)
    run.wanted = budget.wanted(run, capacity)
    return !run.exhausted && run.unsent < run.wanted
  }

  async function claim(batch: OpenBatch): Promise<void> {
    const run = runOf(batch)
    const limit = budget.shards(run)
    const sentAt = clock.monotonic()
    const leases = await claimShards(db, batch, owner, settings.leaseMs, limit)
    run.exhausted = leases.length < limit
    run.isBarren = leases.length === 0
    hold(run, leases, sentAt)
  }

  async function claimAllOf(batches: readonly OpenBatch[]): Promise<void> {
    const limit = batches.length * shortShards
    const sentAt = clock.monotonic()
    const leases = await claimShort(db, batches, owner, settings.leaseMs, limit)
    for (const batch of batches) {
      const run = runOf(batch)
      const its = leases.filter((lease) => lease.batchId === batch.id)
      run.exhausted = leases.length < limit
      run.isBarren = its.length === 0
      hold(run, its, sentAt)
    }
  }

  function hold(run: BatchRun, leases: readonly ShardLease[], sentAt: number): void {
    for (const lease of leases) {
      const shard = holdShard(lease, sentAt + settings.leaseMs - leaseMarginMs, {
        scratch,
        requestId,
        monotonic: () => clock.monotonic(),
        slabs,
        atHand() {
          run.isDry = false
          dispatcher.wake(run)
        },
        failed: (error) => {
          log.warn('a shard cannot be read; trying again', { batch: run.batchId, shard: lease.number, error })
          void clock.sleep(500, saving).then(() => dispatcher.wake(run))
        },
      })
      const saver = makeSaver(
        {
          db,
          scratch,
          finish,
          shortBytes: settings.shortBytes,
          bigBytes: settings.flushBytes / 8,
          clock,
          random,
          troubled: (s, error) => events.saveFailed(s.lease, error),
          slabs,
        },
        shard,
        run.projectId,
      )
      const held: Held = { shard, saver, claimedAt: sentAt, leaving: false }
      run.add(held)
      budget.hold(run, shard)
      events.shardClaimed(lease)
      attend(run, held)
    }
    if (leases.length > 0) dispatcher.wake(run)
  }

  return {
    get starved() {
      return starved
    },
    async claimFor(open, signal) {
      const end = clock.monotonic() + claimingMs
      const few: OpenBatch[] = []
      const { near, isCut } = turns(open, atHand)
      starved = isCut
      for (const batch of near) {
        if (!wants(batch)) continue
        if (isShort(batch)) {
          few.push(batch)
          if (few.length < shortAtOnce) continue
          await claimAllOf(few.splice(0))
        } else await claim(batch)
        await turnOfLoop() // NOTE: SQLite answers within the turn, and there may be a thousand of them
        if (signal.aborted || clock.monotonic() >= end) return false
      }
      if (few.length > 0) await claimAllOf(few)
      return true
    },
  }
}
