import type { Clock } from '../../kit/clock.ts'
import { backoffMs } from '../../domain/backoff.ts'
import type { Committed } from '../../store/segments.ts'
import type { HeldShard } from './held-shard.ts'
import { saveCheckpoint, saveLast, type SaveParts } from './save.ts'
import type { Slabs } from './slabs.ts'

/** A failing save is tried again and again: the results wait in memory, and the shard is not sent further. */
const afterFailure = { baseMs: 200, maxMs: 5_000 }

export interface SaverParts extends SaveParts {
  readonly clock: Clock
  readonly random: () => number
  readonly troubled: (shard: HeldShard, error: unknown) => void
  /** Takes back what results were gathered in. */
  readonly slabs: Slabs
}

/**
 * Saves the results of one shard, one save after the other: the numbers of its segments grow by one each. What was drained stays with its number until the
 * fate of its checkpoint is known (design 2): it is put and committed again under the same number before anything else of the shard is. Once the signal has
 * aborted, which ends that, nothing is saved any more.
 */
export interface Saver {
  /** Is a save under way? */
  readonly busy: boolean
  /** Bytes that were drained and are not committed yet. */
  readonly bytes: number
  checkpoint(signal: AbortSignal): Promise<Committed>
  finish(signal: AbortSignal): Promise<Committed>
}

export function makeSaver(parts: SaverParts, shard: HeldShard, project: string): Saver {
  let number = 0
  let busy = false
  let bytes = 0
  let hasFailed = false

  async function save(how: typeof saveCheckpoint, signal: AbortSignal): Promise<Committed> {
    signal.throwIfAborted() // NOTE: a save that was given up may have been committed: nothing else may go under its number
    busy = true
    const drained = shard.drain()
    bytes = drained.outputBytes + drained.errorBytes
    try {
      for (let failures = 0; ; failures++) {
        try {
          const committed = await how(parts, shard.lease, project, number, drained, signal)
          number++
          if (!hasFailed) parts.slabs.give(drained.spent)
          return committed
        } catch (error) {
          hasFailed = true // NOTE: who knows what that try still reads: from now on its memory, and what shares it, is left to the collector
          parts.troubled(shard, error)
          await parts.clock.sleep(50 + backoffMs(failures, afterFailure, parts.random), signal)
          if (signal.aborted) throw error
        }
      }
    } finally {
      busy = false
      bytes = 0
    }
  }

  return {
    get busy() {
      return busy
    },
    get bytes() {
      return bytes
    },
    checkpoint: (signal) => save(saveCheckpoint, signal),
    finish: (signal) => save(saveLast, signal),
  }
}
