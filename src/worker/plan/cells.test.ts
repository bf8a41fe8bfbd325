import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ShardSpan } from '../../domain/shard.ts'
import { makeCells } from './cells.ts'

const cell = { lines: 16, bytes: 256 * 1024 }
const roomy = { shardLines: 1e9, shardBytes: 1e12 }

function cut(sizes: readonly number[], limits: Parameters<ReturnType<typeof makeCells>['cut']>[0]): ShardSpan[] {
  const cells = makeCells()
  for (const size of sizes) cells.add(size)
  return cells.cut(limits)
}
const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0)

const anySizes = fc.array(
  fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 10, max: 500 }) }, fc.integer({ min: 10, max: 600_000 })),
  { maxLength: 600 },
)
const anyLimits = fc.record({
  workers: fc.integer({ min: 1, max: 20 }),
  shardLines: fc.integer({ min: 1, max: 400 }),
  shardBytes: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 2_000_000 })),
})

test('shards are numbered from 0 and are the lines of the plan, one stretch after the other, without a gap', () => {
  fc.assert(
    fc.property(anySizes, anyLimits, (sizes, limits) => {
      let [line, offset] = [0, 0]
      for (const [number, shard] of cut(sizes, limits).entries()) {
        expect(shard.lines).toBeGreaterThan(0)
        const bytes = sum(sizes.slice(line, line + shard.lines))
        expect(shard).toEqual({ number, offset, bytes, lines: shard.lines })
        line += shard.lines
        offset += bytes
      }
      expect([line, offset]).toEqual([sizes.length, sum(sizes)])
    }),
  )
})

test('no shard is over a limit, unless it is a single cell', () => {
  fc.assert(
    fc.property(anySizes, anyLimits, (sizes, limits) => {
      for (const { lines, bytes } of cut(sizes, limits)) {
        const oneCell = lines === 1 || (lines <= cell.lines && bytes <= cell.bytes)
        expect(oneCell || (lines <= limits.shardLines && bytes <= limits.shardBytes), `${lines} lines, ${bytes} bytes`).toBe(true)
      }
    }),
  )
})

test('a shard is filled up to its limits', () => {
  const sizes = Array.from({ length: 45 }, () => 200_000)
  const lines = (limits: object) => cut(sizes, { ...roomy, ...limits, workers: 1 }).map((shard) => shard.lines)
  expect(lines({ shardLines: 20 })).toEqual([20, 20, 5])
  expect(lines({ shardBytes: 4_000_000 })).toEqual([20, 20, 5])
  expect(lines({ shardBytes: 3_999_999 })).toEqual([19, 19, 7])
  expect(lines({ shardBytes: 1 })).toEqual(sizes.map(() => 1))
})

test('a batch of at least 200 lines a worker has four shards for each', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 3000 }), (workers, more) => {
      const sizes = Array.from({ length: 200 * workers + more }, () => 100)
      expect(cut(sizes, { ...roomy, workers }).length).toBeGreaterThanOrEqual(4 * workers)
    }),
  )
})

test('a small batch is not cut into crumbs: only the last shard may have fewer than 48 lines', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 2000 }), (workers, lines) => {
      const sizes = Array.from({ length: lines }, () => 100)
      for (const shard of cut(sizes, { ...roomy, workers }).slice(0, -1)) expect(shard.lines).toBeGreaterThanOrEqual(48)
    }),
  )
})

test('lines and bytes are counted as they are added; nothing added is no shard', () => {
  const cells = makeCells()
  expect(cells.cut({ ...roomy, workers: 1 })).toEqual([])
  for (const size of [10, 300_000, 20]) cells.add(size)
  expect([cells.lines, cells.bytes]).toEqual([3, 300_030])
  expect(cells.cut({ ...roomy, workers: 1 })).toEqual([{ number: 0, offset: 0, bytes: 300_030, lines: 3 }])
})
