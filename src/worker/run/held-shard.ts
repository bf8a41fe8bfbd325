import type { Blobs } from '../../blobs/blobs.ts'
import type { Sendable } from '../../dispatch/feed.ts'
import type { Ending } from '../../domain/outcome.ts'
import { answeredMiddle, answeredTail, resultHead, resultIdPrefix, unansweredTail } from '../../domain/result.ts'
import { rangesOf, type Range, type ShardLease } from '../../domain/shard.ts'
import { noSums, type Sums } from '../../domain/usage.ts'
import { makeSink } from './sink.ts'
import type { Slabs } from './slabs.ts'
import { openWindow, type Stretch } from './window.ts'

/** A line of a held shard. */
export interface Line extends Sendable {
  readonly number: number
  readonly ordinal: number
  readonly customId: Buffer
  readonly shard: HeldShard
  /** Where its bytes lie. */
  readonly stretch: Stretch
}

/** Results that are not in a checkpoint yet, as they go into a segment. */
export interface Drained {
  readonly outputs: readonly Buffer[]
  readonly errors: readonly Buffer[]
  readonly outputBytes: number
  readonly errorBytes: number
  readonly lines: readonly Range[]
  readonly sums: Sums
  /** Memory of the shard in which nothing lies but these results, and those that were drained before. */
  readonly spent: readonly Buffer[]
}

/** A shard that this worker holds: its lines on the way out, its results on the way in. All in memory, no statement, no clock. */
export interface HeldShard {
  readonly lease: ShardLease
  readonly signal: AbortSignal
  /** Until when, by the monotonic clock, the lease is known to be ours. Counted from when the claim or renewal was sent. */
  freshUntil: number
  /** Lines that can still be taken. */
  readonly unsent: number
  /** Lines that were taken and have not come back. */
  readonly out: number
  /** Lines without a result. */
  readonly left: number
  readonly bufferedBytes: number
  /** When the oldest result came that is in no checkpoint, by the monotonic clock; null: there is none. */
  readonly bufferedSince: number | null
  take(): Line | undefined
  settle(ending: Ending, line: Line): void
  stopped(line: Line): void
  abort(reason: unknown): void
  /** Takes the results that no checkpoint has. They are the caller's until their fate is known. */
  drain(): Drained
}

export interface Reading {
  readonly scratch: Blobs
  /** Called when lines are at hand that were not. */
  readonly atHand: () => void
  /** A reading failed; it is tried again when `take` is called next. */
  readonly failed: (error: unknown) => void
  readonly requestId: () => string
  readonly monotonic: () => number
  /** Where results gather. */
  readonly slabs: Slabs
}

export function holdShard(
  lease: ShardLease,
  freshUntil: number,
  { scratch, atHand, failed, requestId, monotonic, slabs }: Reading,
): HeldShard {
  const stop = new AbortController()
  const window = openWindow(scratch, lease)
  const idPrefix = resultIdPrefix(lease.batchId)
  const done = new Uint8Array(lease.lines)
  for (const [first, last] of lease.done) done.fill(1, first, last + 1)
  const before = done.reduce((n, d) => n + d, 0)

  const outputs = makeSink(slabs)
  const errors = makeSink(slabs)
  let sums: { -readonly [K in keyof Sums]: number } = { ...noSums }
  let fresh: number[] = []
  let since: number | null = null
  let ordinal = 0
  let unsent = lease.lines - before
  let left = unsent
  let out = 0
  let filling = false

  /** However often it is asked for while it lasts, a reading wakes the lanes once. */
  function fill(): void {
    if (filling) return
    filling = true
    window.fill(stop.signal).then(
      () => {
        filling = false
        atHand()
      },
      (error: unknown) => {
        filling = false
        if (!stop.signal.aborted) failed(error)
      },
    )
  }

  if (unsent > 0) fill()
  const shard: HeldShard = {
    lease,
    signal: stop.signal,
    freshUntil,
    get unsent() {
      return unsent
    },
    get out() {
      return out
    },
    get left() {
      return left
    },
    get bufferedBytes() {
      return outputs.bytes + errors.bytes
    },
    get bufferedSince() {
      return since
    },
    take() {
      if (unsent === 0 || stop.signal.aborted) return undefined
      for (;;) {
        const planned = window.next()
        if (planned === null) {
          failed(new Error('the shard has fewer lines than its row says'))
          return undefined
        }
        if (planned === undefined || window.low) fill() // NOTE: of a long line much may be at hand, and not all
        if (planned === undefined) return undefined
        const mine = ordinal++
        if (done[mine]) continue
        unsent--
        out++
        window.stretch.out++
        return {
          body: planned.body,
          signal: stop.signal,
          number: planned.number,
          ordinal: mine,
          customId: planned.customId,
          shard,
          stretch: window.stretch,
        }
      }
    },
    settle(ending, line) {
      const good = ending.kind === 'answered' && ending.status >= 200 && ending.status < 300
      const sink = good ? outputs : errors
      sink.text(resultHead(idPrefix, line.number))
      sink.copy(line.customId)
      if (ending.kind === 'answered') {
        sink.text(answeredMiddle(ending.status, ending.requestId ?? requestId()))
        for (const chunk of ending.body) sink.copy(chunk)
        sink.copy(answeredTail)
        sums.inputTokens += ending.usage.inputTokens
        sums.cachedTokens += ending.usage.cachedTokens
        sums.outputTokens += ending.usage.outputTokens
        sums.reasoningTokens += ending.usage.reasoningTokens
        sums.totalTokens += ending.usage.totalTokens
        sums.durationMs += ending.usage.durationMs
      } else sink.text(unansweredTail(ending.code, ending.message))
      if (good) sums.completed++
      else sums.failed++
      fresh.push(line.ordinal)
      since ??= monotonic()
      left--
      out--
      line.stretch.out--
    },
    stopped(line) {
      out--
      line.stretch.out--
    },
    abort(reason) {
      stop.abort(reason)
    },
    drain() {
      const ordinals = new Uint8Array(lease.lines)
      for (const n of fresh) ordinals[n] = 1
      const { bytes: outputBytes } = outputs
      const { bytes: errorBytes } = errors
      const [good, bad] = left > 0 ? [outputs.take(), errors.take()] : [outputs.takeLast(), errors.takeLast()]
      const drained = {
        outputs: good.pieces,
        errors: bad.pieces,
        outputBytes,
        errorBytes,
        sums,
        lines: rangesOf(lease.lines, (n) => ordinals[n] === 1),
        spent: [...good.spent, ...bad.spent],
      }
      fresh = []
      sums = { ...noSums }
      since = null
      return drained
    },
  }
  return shard
}
