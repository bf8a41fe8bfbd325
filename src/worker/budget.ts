import type { BatchRun, Held } from './batch-run.ts'
import type { HeldShard } from './held-shard.ts'
import type { WorkerSettings } from './parts.ts'

/** A held shard takes two windows of memory at most, whatever its size (I12). */
const windowsBytes = 2 * 1024 * 1024
/** So much may be held for each model and endpoint, whatever is held for others: those whose backend is slow or away must not keep the rest from theirs. */
const leastBytes = 4 * windowsBytes
const atOnce = 4
/** Lines should be at hand for this long, at the pace of the last look. */
const aheadMs = 400

/** By which lanes a batch goes. */
type Lanes = Pick<BatchRun, 'model' | 'endpoint'>

/** How much a worker takes on: shards by their windows, results by their bytes. */
export interface Budget {
  /** No further shard may be claimed for this batch. */
  full(batch: Lanes): boolean
  /** A shard was claimed, or is no longer held. */
  hold(batch: Lanes, shard: HeldShard): void
  release(batch: Lanes, shard: HeldShard): void
  /** So many results wait to be saved (the disk is full, the database away) that nothing more may be sent. As of the last `measure`. */
  readonly clogged: boolean
  measure(): void
  /** Results take so much memory together that this shard's should be saved now. */
  pressed(shard: HeldShard): boolean
  /** Lines that should be at hand: twice what the lanes take at once, or what they take in `aheadMs`. */
  wanted(run: BatchRun, capacity: number): number
  /** How many shards to ask for. */
  shards(run: BatchRun): number
}

export function makeBudget(
  settings: WorkerSettings,
  held: () => readonly (readonly [BatchRun, Held])[],
  monotonic: () => number,
): Budget {
  const paces = new WeakMap<BatchRun, { at: number; settled: number; perMs: number }>()
  /** Bytes held, in all and for each model and endpoint: counted as they come and go, for it is asked at every claim. */
  let heldBytes = 0
  const heldFor = new Map<string, number>()
  let buffered = 0

  const keyOf = ({ endpoint, model }: Lanes) => `${endpoint} ${model}`
  function add(batch: Lanes, bytes: number): void {
    heldBytes += bytes
    const forThese = (heldFor.get(keyOf(batch)) ?? 0) + bytes
    if (forThese > 0) heldFor.set(keyOf(batch), forThese)
    else heldFor.delete(keyOf(batch))
  }
  const bytesOf = ({ lease }: HeldShard) => Math.min(lease.bytes, windowsBytes)

  return {
    full: (batch) => heldBytes >= settings.heldBytes && (heldFor.get(keyOf(batch)) ?? 0) >= leastBytes,
    hold: (batch, shard) => add(batch, bytesOf(shard)),
    release: (batch, shard) => add(batch, -bytesOf(shard)),
    get clogged() {
      return buffered >= settings.flushBytes * 12
    },
    measure() {
      buffered = held().reduce((n, [, { shard, saver }]) => n + shard.bufferedBytes + saver.bytes, 0)
    },
    pressed: (shard) => buffered >= settings.flushBytes * 4 && shard.bufferedBytes >= settings.flushBytes / 8,
    wanted(run, capacity) {
      const now = monotonic()
      const pace = paces.get(run) ?? { at: now, settled: run.settled, perMs: 0 }
      if (now - pace.at >= 20) {
        pace.perMs = Math.max((run.settled - pace.settled) / (now - pace.at), pace.perMs * 0.7)
        pace.at = now
        pace.settled = run.settled
      }
      paces.set(run, pace)
      return Math.max(2 * capacity, Math.ceil(pace.perMs * aheadMs))
    },
    shards(run) {
      const [first] = run.held
      const lines = first ? first.shard.lease.lines : run.wanted
      return Math.max(1, Math.min(atOnce, Math.ceil((run.wanted - run.unsent) / lines)))
    },
  }
}
