import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { leaseOf, plan } from '../../../test/support/planned.ts'
import type { Blobs } from '../../blobs/blobs.ts'
import { openFolder } from '../../blobs/folder.ts'
import type { ShardLease } from '../../domain/shard.ts'
import { holdShard, type Line } from './held-shard.ts'
import { makeSlabs } from './slabs.ts'

async function open(): Promise<Blobs> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-held-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return openFolder(folder)
}

/** Takes all lines as the lanes do: again only when it is told that lines are at hand. */
function takeAll(scratch: Blobs, lease: ShardLease): Promise<Line[]> {
  return new Promise((resolve, failed) => {
    const lines: Line[] = []
    const take = () => {
      for (let line = shard.take(); line; line = shard.take()) lines.push(line)
      if (shard.unsent === 0) resolve(lines)
    }
    const told = { requestId: () => 'r', atHand: take, failed }
    const shard = holdShard(lease, Infinity, { scratch, monotonic: () => 0, slabs: makeSlabs(), ...told })
  })
}

test('every line of a shard is taken in order, however long some are', async () => {
  const scratch = await open()
  const size = fc.oneof(
    fc.integer({ min: 2, max: 5000 }),
    fc.integer({ min: 300_000, max: 900_000 }),
    fc.integer({ min: 1_000_000, max: 3_000_000 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(size, { minLength: 1, maxLength: 8 }), async (sizes) => {
      const bytes = plan(sizes)
      await scratch.put('plan', bytes)
      const lines = await takeAll(scratch, leaseOf(bytes.length, sizes.length))
      expect(lines.map(({ number, body }) => [number, body.length])).toEqual(sizes.map((length, i) => [i + 1, length]))
    }),
    { numRuns: 40, examples: [[[700_000, 700_000, 700_000]], [[2_000_000]]] },
  )
})

test('lines that a checkpoint has are not taken again', async () => {
  const scratch = await open()
  const bytes = plan([10, 20, 30, 40, 50])
  await scratch.put('plan', bytes)
  const done = [
    [0, 1],
    [3, 3],
  ] as const
  const lines = await takeAll(scratch, { ...leaseOf(bytes.length, 5), done })
  expect(lines.map(({ number }) => number)).toEqual([3, 5])
})

test('a shard with fewer lines than its row says is a failure that is told, and not taken for one that is done', async () => {
  const scratch = await open()
  const bytes = plan([50, 50])
  await scratch.put('plan', bytes)
  await expect(takeAll(scratch, leaseOf(bytes.length, 3))).rejects.toThrow('fewer lines than its row says')
})

test('a reading wakes the lanes once, however often lines were asked for meanwhile', async () => {
  const folder = await open()
  const bytes = plan(Array.from({ length: 60 }, () => 100_000))
  await folder.put('plan', bytes)
  let [readings, wakes] = [0, 0]
  const scratch: Blobs = { ...folder, readRange: (...range) => (readings++, folder.readRange(...range)) }
  await new Promise<void>((resolve, failed) => {
    const atHand = () => {
      wakes++
      for (let line = shard.take(); line; line = shard.take());
      if (shard.unsent === 0) resolve()
    }
    const shard = holdShard(leaseOf(bytes.length, 60), Infinity, {
      scratch,
      requestId: () => 'r',
      monotonic: () => 0,
      slabs: makeSlabs(),
      atHand,
      failed,
    })
  })
  expect(readings).toBeGreaterThan(3)
  expect(wakes).toBe(readings)
})
