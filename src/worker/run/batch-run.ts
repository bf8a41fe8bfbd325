import type { Feed, Sendable } from '../../dispatch/feed.ts'
import { tokensALine, tokensServed } from '../../domain/estimate.ts'
import type { Ending } from '../../domain/outcome.ts'
import type { OpenBatch } from '../../store/shards.ts'
import type { HeldShard, Line } from './held-shard.ts'
import type { Saver } from './saver.ts'

export interface Held {
  /** When the claim was sent, by the monotonic clock. */
  readonly claimedAt: number
  readonly shard: HeldShard
  readonly saver: Saver
  /** It is being finished or given back. */
  leaving: boolean
}

/** A batch as this worker runs it: the shards that it holds of it, seen by the lanes as one feed of lines. */
export interface BatchRun extends Feed {
  readonly batch: OpenBatch
  readonly held: Set<Held>
  /** Lines that can be taken from the shards at hand. */
  readonly unsent: number
  /** Lines of the shards at hand that have no result: those that can be taken, are in flight, or wait for their next attempt. */
  readonly left: number
  /** How many lines should be at hand, so that no lane waits for a claim: set at each look. */
  wanted: number
  /** No shard was left to claim at the last try. */
  exhausted: boolean
  /** The last try to claim gave nothing. */
  isBarren: boolean
  /** As of the last look. */
  weight: number
  atRisk: boolean
  /** There was nothing to take at the last try, though not all of its lines were sent: they are being read, or may not be sent now. Until lines are at hand. */
  isDry: boolean
  /** Lines settled since the run began. */
  readonly settled: number
  add(held: Held): void
  drop(held: Held): void
}

export interface RunParts {
  readonly monotonic: () => number
  /** May anything be sent at all? False while the database is out of sight, while results have nowhere to go, and on the way out. */
  readonly open: (now: number) => boolean
  /** Fewer lines are at hand than wanted. */
  readonly hungry: () => void
  /** The last line of what could be claimed was taken. */
  readonly spent: () => unknown
  /** So many bytes of results are worth a checkpoint at once. */
  readonly flushBytes: number
  /** A shard has its last result, or no call open, or results enough for a checkpoint. */
  readonly attend: (run: BatchRun, held: Held) => void
}

export function startRun(batch: OpenBatch, { monotonic, open, hungry, spent, flushBytes, attend }: RunParts): BatchRun {
  const held = new Set<Held>()
  const heldOf = new Map<HeldShard, Held>()
  /** Shards with lines to take, in the order in which they were claimed. */
  const sending: HeldShard[] = []
  let settled = 0
  let told = 0
  let served = 0

  const mayTake = (shard: HeldShard): boolean => {
    const now = monotonic()
    return now < shard.freshUntil && open(now)
  }

  const run: BatchRun = {
    batch,
    held,
    projectId: batch.projectId,
    batchId: batch.id,
    model: batch.model,
    endpoint: batch.endpoint,
    deadlineAt: monotonic() + batch.leftMs,
    lines: batch.lines,
    weight: batch.weight,
    atRisk: batch.atRisk,
    wanted: 1,
    exhausted: false,
    isBarren: false,
    isDry: false,
    get unsent() {
      return sending.reduce((n, shard) => n + shard.unsent, 0)
    },
    get left() {
      return [...held].reduce((n, { shard }) => n + shard.left, 0)
    },
    get settled() {
      return settled
    },
    get tokensALine() {
      return tokensALine(batch, { lines: told, tokens: served })
    },
    add(one) {
      held.add(one)
      heldOf.set(one.shard, one)
      if (one.shard.unsent > 0) sending.push(one.shard)
    },
    drop(one) {
      held.delete(one)
      heldOf.delete(one.shard)
      const at = sending.indexOf(one.shard)
      if (at >= 0) sending.splice(at, 1)
    },
    /** In the order of the plan: while the first shard's next lines are being read, none of a later one goes before them. */
    take(): Sendable | undefined {
      for (let shard = sending[0]; shard; shard = sending[0]) {
        if (shard.unsent === 0 || shard.signal.aborted) {
          sending.shift()
          continue
        }
        const line = mayTake(shard) ? shard.take() : undefined
        run.isDry = line === undefined
        if (line && run.exhausted && run.unsent === 0) spent()
        else if (line && (shard.unsent === 0 || sending.length === 1) && !run.exhausted && run.unsent < run.wanted) hungry()
        return line
      }
      if (!run.exhausted) hungry()
      return undefined
    },
    maySend(sendable) {
      return mayTake((sendable as Line).shard)
    },
    settle(sendable: Sendable, ending: Ending) {
      const line = sendable as Line
      settled++
      const tokens = tokensServed(ending)
      if (tokens !== null) {
        told++
        served += tokens
      }
      line.shard.settle(ending, line)
      const one = heldOf.get(line.shard)
      if (one && (line.shard.out === 0 || line.shard.bufferedBytes >= flushBytes)) attend(run, one)
    },
    stopped(sendable) {
      const line = sendable as Line
      const { shard } = line
      shard.stopped(line)
      const one = heldOf.get(shard)
      if (one && shard.out === 0) attend(run, one)
    },
  }
  return run
}
