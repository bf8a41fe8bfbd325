import type { BatchRun, Held } from './batch-run.ts'
import type { HeldShard } from './held-shard.ts'
import type { WorkerSettings } from '../parts.ts'

/** A held shard takes two stretches of memory of a window and a half, whatever its size (I12). */
const windowsBytes = 3 * 1024 * 1024
/** Beyond its memory a worker still takes one shard of each project and model that it has none of, up to so many times that memory: those who hold much for long, because their backend is slow or away, must not keep the rest from theirs. */
const beyond = 4
const atOnce = 4
/** Lines should be at hand for this long, at the pace of the last look. */
const aheadMs = 400

/** Whose lines, and by which lanes they go. */
type Kind = Pick<BatchRun, 'projectId' | 'model' | 'endpoint'>

/** How much a worker takes on: shards by their windows, results by their bytes. */
export interface Budget {
  /** No further shard may be claimed for this batch. */
  full(kind: Kind): boolean
  /** A shard was added to its run, or was dropped by it. */
  hold(run: BatchRun, shard: HeldShard): void
  release(run: BatchRun, shard: HeldShard): void
  /** So many results wait to be saved (the disk is full, the database away) that nothing more may be sent. As of the last `measure`. */
  readonly clogged: boolean
  measure(): void
  /** Results take so much memory together that this shard's should be saved now. */
  pressed(shard: HeldShard): boolean
  /** Lines that should be at hand: twice what the lanes take at once, shared by the batches that use them, or what they take of this one in `aheadMs`. */
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
  /** Counted as shards come and go, for it is asked at every claim. */
  let heldBytes = 0
  const shardsOf = makeTally()
  const runsOf = makeTally()
  let buffered = 0

  const lanesOf = ({ endpoint, model }: Kind) => `${endpoint} ${model}`
  const keyOf = (kind: Kind) => `${kind.projectId} ${lanesOf(kind)}`
  const bytesOf = ({ lease }: HeldShard) => Math.min(lease.bytes, windowsBytes)

  return {
    full: (kind) =>
      heldBytes >= settings.heldBytes && (shardsOf.count(keyOf(kind)) > 0 || heldBytes >= settings.heldBytes * beyond),
    hold(run, shard) {
      heldBytes += bytesOf(shard)
      shardsOf.add(keyOf(run), 1)
      if (run.held.size === 1) runsOf.add(lanesOf(run), 1)
    },
    release(run, shard) {
      heldBytes -= bytesOf(shard)
      shardsOf.add(keyOf(run), -1)
      if (run.held.size === 0) runsOf.add(lanesOf(run), -1)
    },
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
      const share = Math.ceil((2 * capacity) / Math.max(1, runsOf.count(lanesOf(run))))
      return Math.max(share, Math.ceil(pace.perMs * aheadMs))
    },
    shards(run) {
      const [first] = run.held
      const lines = first ? first.shard.lease.lines : run.wanted
      return Math.max(1, Math.min(atOnce, Math.ceil((run.wanted - run.unsent) / lines)))
    },
  }
}

function makeTally(): { count(key: string): number; add(key: string, n: number): void } {
  const counts = new Map<string, number>()
  return {
    count: (key) => counts.get(key) ?? 0,
    add(key, n) {
      const now = (counts.get(key) ?? 0) + n
      if (now === 0) counts.delete(key)
      else counts.set(key, now)
    },
  }
}
