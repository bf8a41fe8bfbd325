import type { BatchId } from '../../src/domain/ids.ts'
import type { Life } from './life.ts'

/** An answer that a backend has given to a line. */
export interface Answer {
  readonly status: number
  readonly mark: string
  readonly tokens: readonly [input: number, output: number]
}

/** What the outside has seen of one line, whose name stands in its body. */
export interface LineSeen {
  readonly answers: Answer[]
  /** What may have burnt an attempt. */
  burns: number
  sends: number
  /** Final answers that reached a process that was alive. */
  delivered: number
  open: number
}

/** Composing of a batch begins; a worker is cut off from the database. */
export type Moment = `composing ${string}` | 'cut off'

/** What was seen outside of the processes, and judged as it was seen. Batches are known by the number of the client that made them. */
export interface Ledger {
  line(key: string): LineSeen
  readonly lines: ReadonlyMap<string, LineSeen>
  readonly batchOf: Map<number, BatchId>
  /** When a cancel, or the end of a batch, was recorded. */
  readonly stoppedAt: Map<string, number>
  readonly expiresAt: Map<string, number>
  /** Resolves when it comes to that next. Some do harm just then. */
  until(moment: Moment): Promise<void>
  reach(moment: Moment): void
  /** When something last went on: an answer came, a row of a batch moved. */
  progressAt: number
  /** Who has sent the last line. */
  busy: Life | null
  readonly wrongs: string[]
  /** Something does not hold that always must: which invariant, and how. */
  wrong(invariant: string, how: string): void
}

export function openLedger(told: (wrong: string) => void): Ledger {
  const lines = new Map<string, LineSeen>()
  const wrongs: string[] = []
  const waiting = new Map<Moment, (() => void)[]>()
  return {
    lines,
    line(key) {
      const known = lines.get(key)
      if (known) return known
      const fresh: LineSeen = { answers: [], burns: 0, sends: 0, delivered: 0, open: 0 }
      lines.set(key, fresh)
      return fresh
    },
    batchOf: new Map(),
    progressAt: 0,
    busy: null,
    stoppedAt: new Map(),
    expiresAt: new Map(),
    until: (moment) => new Promise((resolve) => void waiting.set(moment, [...(waiting.get(moment) ?? []), resolve])),
    reach(moment) {
      const all = waiting.get(moment)
      waiting.delete(moment)
      for (const resolve of all ?? []) resolve()
    },
    wrongs,
    wrong(invariant, how) {
      wrongs.push(`${invariant}: ${how}`)
      told(`${invariant}: ${how}`)
    },
  }
}

/** The client's number in the name of a line. */
export const clientOf = (key: string): number => Number(key.slice(0, key.indexOf('.')))
