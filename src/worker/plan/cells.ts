import type { ShardSpan } from '../../domain/shard.ts'

const cellLines = 16
const cellBytes = 256 * 1024
const leastLines = 50
/** A batch is cut so that each worker has at least so many shards of it to take. */
const shardsAWorker = 4

/** Sizes of planned lines, kept in cells of a few lines: how the plan is cut into shards is known only at its end. 10 million lines take 10 MB. */
export interface Cells {
  add(bytes: number): void
  readonly lines: number
  readonly bytes: number
  cut(limits: { workers: number; shardLines: number; shardBytes: number }): ShardSpan[]
}

export function makeCells(): Cells {
  const sizes: number[] = []
  const counts: number[] = []
  let lines = 0
  let bytes = 0
  return {
    get lines() {
      return lines
    },
    get bytes() {
      return bytes
    },
    add(more) {
      const last = sizes.length - 1
      const size = sizes[last] ?? 0
      const count = counts[last] ?? cellLines
      if (count >= cellLines || size + more > cellBytes) {
        sizes.push(more)
        counts.push(1)
      } else {
        sizes[last] = size + more
        counts[last] = count + 1
      }
      lines++
      bytes += more
    },
    cut({ workers, shardLines, shardBytes }) {
      const most = Math.min(shardLines, Math.max(leastLines, Math.ceil(lines / (shardsAWorker * workers))))
      const shards: ShardSpan[] = []
      let span = { number: 0, offset: 0, bytes: 0, lines: 0 }
      for (const [i, size] of sizes.entries()) {
        const count = counts[i] ?? 0
        if (span.lines > 0 && (span.lines + count > most || span.bytes + size > shardBytes)) {
          shards.push(span)
          span = { number: shards.length, offset: span.offset + span.bytes, bytes: 0, lines: 0 }
        }
        span = { ...span, bytes: span.bytes + size, lines: span.lines + count }
      }
      if (span.lines > 0) shards.push(span)
      return shards
    },
  }
}
