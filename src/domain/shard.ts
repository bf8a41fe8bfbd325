import type { BatchId } from './ids.ts'

export type ShardState = 'waiting' | 'held' | 'done' | 'closed'
export type ShardEvent = 'claim' | 'checkpoint' | 'finish' | 'give back' | 'close'

/** null: refused (the fence of the statement is not the shard's, or there is nothing to do). A held shard whose lease has run out is claimed like a waiting one. */
export const shardAfter: Record<ShardState, Record<ShardEvent, ShardState | null>> = {
  waiting: { claim: 'held', checkpoint: null, finish: null, 'give back': null, close: 'closed' },
  held: { claim: 'held', checkpoint: 'held', finish: 'done', 'give back': 'waiting', close: 'closed' },
  done: { claim: null, checkpoint: null, finish: null, 'give back': null, close: null },
  closed: { claim: null, checkpoint: null, finish: null, 'give back': null, close: null },
}

/** A stretch of the plan: where it lies in the plan's blob and how many lines it has. */
export interface ShardSpan {
  readonly number: number
  readonly offset: number
  readonly bytes: number
  readonly lines: number
}

/** The right to a shard: what a claim gives, and what every write under it says. */
export interface ShardLease extends ShardSpan {
  readonly batchId: BatchId
  /** The name of the plan's blob; or, of a short plan, this shard's part of it, which lies in the shard's row. */
  readonly plan: string | Buffer
  readonly fence: number
  /** Ordinals (0-based, within the shard) that committed checkpoints already have. */
  readonly done: readonly Range[]
}

/** First and last ordinal, both included. */
export type Range = readonly [first: number, last: number]

/** `0-4,7,9-12`: sorted, disjoint ranges as text, the form in which a checkpoint's lines are stored. */
export const formatRanges = (ranges: readonly Range[]): string =>
  ranges.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(',')

export function parseRanges(text: string): Range[] {
  if (text === '') return []
  return text.split(',').map((part) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? []
    if (first === undefined || Number(first) > Number(last)) throw new Error(`not a range: ${part}`)
    return [Number(first), Number(last)]
  })
}

/** Sorted ranges of the ordinals for which `has` is true, below `n`. */
export function rangesOf(n: number, has: (ordinal: number) => boolean): Range[] {
  const ranges: Range[] = []
  for (let i = 0; i < n; i++) {
    if (!has(i)) continue
    const first = i
    while (i + 1 < n && has(i + 1)) i++
    ranges.push([first, i])
  }
  return ranges
}

/** Do two lists of sorted ranges share an ordinal? */
export function overlap(a: readonly Range[], b: readonly Range[]): boolean {
  for (let i = 0, j = 0; ;) {
    const x = a[i]
    const y = b[j]
    if (!x || !y) return false
    if (x[1] < y[0]) i++
    else if (y[1] < x[0]) j++
    else return true
  }
}
