import { writePlanHeader } from '../../src/domain/plan-format.ts'
import type { ShardLease } from '../../src/domain/shard.ts'
import { nextId } from './batch-rows.ts'

/** A planned line whose body has so many bytes, all of them telling its number. */
export function planned(number: number, bodyBytes: number): Buffer {
  const id = `"${number}"`
  const line = Buffer.alloc(10 + id.length + bodyBytes, `b${number}`)
  writePlanHeader(line, 0, number, id.length, bodyBytes)
  line.write(id, 10)
  return line
}
export const plan = (sizes: readonly number[]): Buffer => Buffer.concat(sizes.map((size, i) => planned(i + 1, size)))
export const leaseOf = (bytes: number, lines: number, offset = 0): ShardLease => ({
  batchId: nextId(),
  plan: 'plan',
  number: 0,
  fence: 1,
  done: [],
  offset,
  bytes,
  lines,
})
