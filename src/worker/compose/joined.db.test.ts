import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { newBatch } from '../../../test/support/batch-rows.ts'
import { databases } from '../../../test/support/databases.ts'
import { BlobMissing, type Blobs } from '../../blobs/blobs.ts'
import { readAll } from '../../blobs/blobs.ts'
import { openFolder } from '../../blobs/folder.ts'
import type { BatchId } from '../../domain/ids.ts'
import { writePlanHeader } from '../../domain/plan-format.ts'
import type { Range, ShardLease } from '../../domain/shard.ts'
import { noSums } from '../../domain/usage.ts'
import type { Db } from '../../store/db.ts'
import { addCheckpoint } from '../../store/segments.ts'
import { claimShards, giveBackShards, openBatches } from '../../store/shards.ts'
import { errorFile, outputFile, shardsOf } from './joined.ts'
import type { ResultFile } from './results.ts'
import { claimPlan, finishShard, startBatch } from '../../../test/support/one.ts'

const never = () => new AbortController().signal

function planned(number: number): Buffer {
  const [id, body] = [`"\\u0069d-${number}"`, '{"model":"m"}']
  const line = Buffer.alloc(10 + id.length + body.length)
  writePlanHeader(line, 0, number, id.length, body.length)
  line.write(id + body, 10)
  return line
}

/** A batch that runs, with its plan's blob: shards of so many lines each, numbered over the batch from 1. */
async function runningBatch(db: Db, scratch: Blobs, lines: readonly number[]): Promise<BatchId> {
  const id = await newBatch(db)
  const walk = (await claimPlan(db, 'planner', 60_000))!
  let [number, offset] = [0, 0]
  const stretches = lines.map((count) => Buffer.concat(Array.from({ length: count }, () => planned(++number))))
  const shards = stretches.map((stretch, i) => {
    const span = { number: i, offset, bytes: stretch.length, lines: lines[i]! }
    offset += stretch.length
    return span
  })
  const bytes = await scratch.put('plan', stretches)
  await startBatch(db, id, walk.fence, { blob: 'plan', bytes, lines: number, tokens: 0, cost: 0, model: 'm', shards })
  return id
}

async function claim(db: Db, id: BatchId): Promise<ShardLease[]> {
  const open = (await openBatches(db, 'm', 100)).find((b) => b.id === id)
  return claimShards(db, open!, 'w', 60_000, 1000)
}

/** All of it as text. Each piece is wiped once it is read: it is good only until the next is asked for. */
async function whole(source: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const piece of source) {
    text += piece.toString('latin1')
    piece.fill(0)
  }
  return text
}

type Saved = { number: number; lines: readonly Range[]; output?: string; error?: string }
/** Writes a segment and makes it count: as a checkpoint, or as the end of its shard. */
async function save(db: Db, scratch: Blobs, lease: ShardLease, { number, lines, output = '', error = '' }: Saved): Promise<void> {
  const completed = lines.reduce((n, [a, b]) => n + b - a + 1, 0)
  const blob = `segment/${lease.number}-${lease.fence}-${number}`
  await scratch.put(blob, Buffer.from(output + error))
  const sizes = { outputBytes: Buffer.byteLength(output), errorBytes: Buffer.byteLength(error) }
  const segment = { number, place: blob, lines, ...sizes, sums: { ...noSums, completed } }
  const saved = completed === lease.lines ? finishShard(db, lease, lease.lines, segment) : addCheckpoint(db, lease, segment)
  expect(await saved).toBe('committed')
}

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  async function open() {
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-joined-'))
    const db = await openDb()
    onTestFinished(async () => {
      await db[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })
    const scratch = openFolder(folder)
    const outputs = (id: BatchId) => bytesOf(outputFile(scratch, () => shardsOf(db, id)))
    const errors = (id: BatchId, why: 'cancelled' | 'expired' | 'completed' = 'cancelled') =>
      bytesOf(errorFile(scratch, () => shardsOf(db, id), why === 'completed' ? null : { batchId: id, planBlob: 'plan', why }))
    /** Read either way, where there are two. */
    async function bytesOf(file: ResultFile): Promise<string> {
      const streamed = await whole(file.stream(never()))
      const stretches = await file.stretches()
      if (stretches) expect(await whole(readAll(scratch, stretches))).toBe(streamed)
      return streamed
    }
    return { db, scratch, outputs, errors }
  }
  const ids = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((l) => (JSON.parse(l) as { custom_id: string }).custom_id)

  test('results stand in the order of shards and, within one, of its leases and checkpoints, whichever was saved first', async () => {
    const { db, scratch, outputs, errors } = await open()
    const id = await runningBatch(db, scratch, [9, 2, 3])
    const [a, b, c] = await claim(db, id)
    await save(db, scratch, c!, { number: 0, lines: [[0, 2]], output: 'c\n', error: 'C\n' })
    await save(db, scratch, a!, { number: 1, lines: [[5, 5]], output: 'a1\n', error: 'A1\n' })
    await save(db, scratch, a!, { number: 0, lines: [[2, 4]], output: 'a0\n' })
    await giveBackShards(db, [a!])
    const [again] = await claim(db, id)
    await save(db, scratch, again!, {
      number: 0,
      lines: [
        [0, 1],
        [6, 8],
      ],
      error: 'A2\n',
    })
    await save(db, scratch, b!, { number: 7, lines: [[0, 1]], output: 'b\n', error: 'B\n' })
    expect(await outputs(id)).toBe('a0\na1\nb\nc\n')
    expect(await errors(id)).toBe('A1\nA2\nB\nC\n')
    expect(await errors(id, 'completed')).toBe('A1\nA2\nB\nC\n')
    const shards = () => shardsOf(db, id)
    expect(await outputFile(scratch, shards).stretches()).toHaveLength(4)
    expect(await errorFile(scratch, shards, null).stretches()).toHaveLength(4)
    expect(await errorFile(scratch, shards, { batchId: id, planBlob: 'plan', why: 'cancelled' }).stretches()).toBeNull()
  })

  test.each([
    ['cancelled', 'batch_cancelled'],
    ['expired', 'batch_expired'],
  ] as const)(
    'lines that never ran because the batch was %s follow the errors, each with its id as it was written',
    async (why, code) => {
      const { db, scratch, errors } = await open()
      const id = await runningBatch(db, scratch, [4, 3, 2])
      const [a, b] = await claim(db, id)
      await save(db, scratch, a!, {
        number: 0,
        lines: [
          [1, 1],
          [3, 3],
        ],
        output: 'out\n',
        error: '{"custom_id":"failed"}\n',
      })
      await save(db, scratch, b!, { number: 0, lines: [[0, 2]], output: 'out\n' })
      const text = await errors(id, why)
      expect(ids(text)).toEqual(['failed', 'id-1', 'id-3', 'id-8', 'id-9'])
      const third = text.split('\n')[2]!
      expect(third).toContain('"custom_id":"\\u0069d-3"')
      expect(JSON.parse(third)).toEqual({
        id: `batch_req_${id.replaceAll('-', '')}00000003`,
        custom_id: 'id-3',
        response: null,
        error: { code, message: expect.any(String) as unknown },
      })
    },
  )

  test('a batch of which nothing ran has no output, and every line in its errors', async () => {
    const { db, scratch, outputs, errors } = await open()
    const id = await runningBatch(
      db,
      scratch,
      Array.from({ length: 230 }, () => 5),
    )
    expect(await outputs(id)).toBe('')
    expect(ids(await errors(id))).toEqual(Array.from({ length: 1150 }, (_, i) => `id-${i + 1}`))
  })

  test('a batch that ran to its end without a failure has no errors; other batches have no part in it', async () => {
    const { db, scratch, outputs, errors } = await open()
    const other = await runningBatch(db, scratch, [1])
    const id = await runningBatch(
      db,
      scratch,
      Array.from({ length: 230 }, () => 1),
    )
    for (const [i, lease] of (await claim(db, id)).entries())
      await save(db, scratch, lease, { number: 0, lines: [[0, 0]], output: `${i}\n` })
    expect([await outputs(id), await errors(id)]).toEqual([Array.from({ length: 230 }, (_, i) => `${i}\n`).join(''), ''])
    expect(await outputs(other)).toBe('')
  })

  test('results longer than all memory that is read ahead come out as they are', async () => {
    const { db, scratch, outputs, errors } = await open()
    const id = await runningBatch(db, scratch, [1, 1, 1, 1])
    const texts = [9_000_001, 3, 1024 * 1024, 5_000_000].map((length, i) => `${i}`.repeat(length))
    for (const [i, lease] of (await claim(db, id)).entries())
      await save(db, scratch, lease, { number: 0, lines: [[0, 0]], output: texts[i]!, error: texts[3 - i]! })
    expect((await outputs(id)) === texts.join('')).toBe(true)
    expect((await errors(id)) === texts.toReversed().join('')).toBe(true)
  })

  test('what a row points at and is not there is a failure, never a shorter file', async () => {
    const { db, scratch, outputs, errors } = await open()
    const id = await runningBatch(db, scratch, [2, 2])
    const [a] = await claim(db, id)
    await save(db, scratch, a!, { number: 0, lines: [[0, 1]], output: 'out\n', error: 'err\n' })
    await scratch.put('segment/0-1-0', Buffer.from('out\n'))
    expect(await outputs(id)).toBe('out\n')
    await expect(errors(id)).rejects.toThrow(BlobMissing)
    await scratch.delete(['segment/0-1-0'])
    await expect(outputs(id)).rejects.toThrow(BlobMissing)
  })

  test('a plan with fewer lines than the rows say is a failure, never a shorter file', async () => {
    const { db, scratch, errors } = await open()
    const id = await runningBatch(db, scratch, [2, 2])
    await db.query(`update shards set lines = 3 where batch_id = $1 and number = 1`, [id])
    await expect(errors(id)).rejects.toThrow(/shorter than its row says/)
  })
})
