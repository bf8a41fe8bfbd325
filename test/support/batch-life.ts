import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ApiParts } from '../../src/api/parts.ts'
import { openFolder } from '../../src/blobs/folder.ts'
import { openBucket } from '../../src/blobs/open.ts'
import type { BatchId } from '../../src/domain/ids.ts'
import { rangesOf, type ShardLease } from '../../src/domain/shard.ts'
import { noSums } from '../../src/domain/usage.ts'
import { makeEvents } from '../../src/events.ts'
import { systemClock as clock } from '../../src/kit/clock.ts'
import { silentLog } from '../../src/kit/log.ts'
import { makeMetrics } from '../../src/kit/metrics.ts'
import { cancelBatch, loadBatch } from '../../src/store/batches.ts'
import type { Db } from '../../src/store/db.ts'
import { gather } from '../../src/store/gather.ts'
import { finishShards } from '../../src/store/segments.ts'
import { claimShards, giveBackShards, openBatches } from '../../src/store/shards.ts'
import { endOwner } from '../../src/store/walks.ts'
import { makeComposer } from '../../src/worker/compose/compose.ts'
import { makeJanitor } from '../../src/worker/clean/janitor.ts'
import type { WorkerParts } from '../../src/worker/parts.ts'
import { saveCheckpoint, saveLast } from '../../src/worker/run/save.ts'
import { newBatch, project } from './batch-rows.ts'
import { claimPlan, startBatch } from './one.ts'
import { chanceFrom, type Chance } from './chance.ts'
import { planned } from './planned.ts'

/** A shard that somebody holds, or has held and does not know better. */
interface Hand {
  readonly lease: ShardLease
  readonly left: Set<number>
  saves: number
}

/** A batch whose shards are run by hand, with the store, the saves, the composer and the janitor as they are. */
export interface BatchLife extends AsyncDisposable {
  readonly id: BatchId
  readonly api: ApiParts
  /** Claims, saves, finishes, gives back, or dies: one of them, by chance. False: every shard is done. */
  step(chance: Chance): Promise<boolean>
  /** Every shard but this one, which is held. */
  finishAllBut(shard: number): Promise<void>
  cancel(): Promise<void>
  /** Until it has ended. */
  compose(): Promise<void>
  /** A composer claims it, and is stopped before it did anything. */
  claimAndStop(): Promise<void>
  sweep(): Promise<void>
}

export async function openLife(db: Db, shardLines: readonly number[]): Promise<BatchLife> {
  const home = await mkdtemp(join(tmpdir(), 'nightshift-life-'))
  const never = new AbortController().signal
  const [files, scratch] = [openFolder(join(home, 'files')), openFolder(join(home, 'scratch'))]
  const events = makeEvents({ log: silentLog, metrics: makeMetrics() })
  const id = await newBatch(db)
  const total = await start(db, id, shardLines, (name, bytes) => scratch.put(name, bytes))
  const parts = { db, scratch, finish: gather(db, finishShards, 10), shortBytes: 300, bigBytes: 100 }
  const held = new Map<number, Hand>()
  let owners = 0

  async function claim(chance: Chance): Promise<void> {
    const open = (await openBatches(db, 'm', 100)).find((batch) => batch.id === id)
    if (!open) return
    for (const lease of await claimShards(db, open, `w${owners}`, 60_000, chance.between(1, 3))) {
      const done = new Set(lease.done.flatMap(([a, b]) => Array.from({ length: b - a + 1 }, (_, i) => a + i)))
      const left = Array.from({ length: lease.lines }, (_, i) => i).filter((i) => !done.has(i))
      held.set(lease.number, { lease, left: new Set(left), saves: 0 })
    }
  }

  async function save(hand: Hand, chance: Chance): Promise<void> {
    const { lease, left } = hand
    const last = chance.happens(0.1)
    const lines = [...left].filter(() => last || chance.happens(0.15))
    if (lines.length === 0 && !(last && left.size === 0)) return
    for (const line of lines) left.delete(line)
    const drained = drain(lease, lines, chance)
    const how = left.size === 0 ? saveLast : saveCheckpoint
    await how(parts, lease, project, hand.saves++, drained, never)
    if (left.size === 0) held.delete(lease.number)
  }

  function composer(more: Partial<WorkerParts>) {
    const settings = { leaseMs: 60_000, renewMs: 20_000, outputFileMs: 1e9 }
    const rest = { random: () => 0, randomBytes, clock, log: silentLog, events, owner: 'composer', settings }
    return makeComposer({ ...parts, ...rest, files, ...more } as unknown as WorkerParts)
  }

  return {
    id,
    api: { db, files, scratch, clock } as unknown as ApiParts,
    async step(chance) {
      const hands = [...held.values()] as [Hand, ...Hand[]]
      if (hands.length === 0 || chance.happens(0.2)) await claim(chance)
      else if (chance.happens(0.15)) {
        const { lease } = chance.pick(hands)
        held.delete(lease.number)
        await giveBackShards(db, [{ ...lease }])
      } else if (chance.happens(0.05)) {
        await endOwner(db, `w${owners}`) // NOTE: killed: what it held is free; it may have been in the midst of a save, which is refused
        owners++
        const { lease, left } = chance.pick(hands)
        const [line] = left
        if (line !== undefined) await saveCheckpoint(parts, lease, project, 99, drain(lease, [line], chance), never)
        held.clear()
      } else await save(chance.pick(hands), chance)
      const batch = await loadBatch(db, id)
      return batch !== null && batch.sums.completed + batch.sums.failed < total
    },
    async finishAllBut(shard) {
      const always = { ...chanceFrom(1), between: () => 1000, happens: () => true }
      await claim(always)
      for (const hand of held.values()) if (hand.lease.number !== shard) await save(hand, always)
    },
    async cancel() {
      await giveBackShards(
        db,
        [...held.values()].map(({ lease }) => lease),
      )
      held.clear()
      await cancelBatch(db, project, id)
    },
    async compose() {
      const over = new AbortController()
      await composer({ events: { ...events, batchPublished: () => over.abort() } }).run(over.signal)
    },
    async claimAndStop() {
      const over = new AbortController()
      const query: Db['query'] = async (...asked) => {
        const rows = await db.query(...asked)
        if (rows.some((row) => row.owner === 'composer')) over.abort(new Error('stop'))
        return rows
      }
      await composer({ db: { ...db, query } }).run(over.signal)
    },
    async sweep() {
      const settings = { keepBatchesMs: 0, keepAuditMs: 0 }
      const janitor = makeJanitor({ ...parts, files, openBucket, clock, log: silentLog, events, random: () => 0, settings })
      await janitor.step(new AbortController().signal)
    },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  }
}

async function start(
  db: Db,
  id: BatchId,
  shardLines: readonly number[],
  put: (name: string, bytes: Buffer) => Promise<unknown>,
): Promise<number> {
  const walk = await claimPlan(db, 'planner', 60_000)
  if (walk?.batch.id !== id) throw new Error('another batch waits for its plan')
  let [lines, offset] = [0, 0]
  const stretches = shardLines.map((count) => Buffer.concat(Array.from({ length: count }, () => planned(++lines, 20))))
  const shards = stretches.map((stretch, number) => {
    const span = {
      number,
      offset,
      bytes: stretch.length,
      lines: shardLines[number] ?? 0,
      ...(number % 2 === 0 && { body: stretch.toString('base64') }),
    }
    offset += stretch.length
    return span
  })
  const blob = `${project}/${id}/plan-${walk.fence}`
  await put(blob, Buffer.concat(stretches))
  await startBatch(db, id, walk.fence, { blob, bytes: offset, lines, tokens: 0, cost: 0, model: 'm', shards })
  return lines
}

/** Results of these lines, each good or bad by chance, of a length by chance. */
function drain(lease: ShardLease, lines: readonly number[], chance: Chance) {
  const sinks = { output: [] as Buffer[], error: [] as Buffer[] }
  for (const line of chance.happens(0.5) ? lines : lines.toReversed())
    sinks[chance.happens(0.7) ? 'output' : 'error'].push(
      Buffer.from(`${lease.number}/${line} ${'x'.repeat(chance.between(0, 60))}\n`),
    )
  const bytes = (all: readonly Buffer[]) => all.reduce((sum, one) => sum + one.length, 0)
  return {
    outputs: sinks.output,
    errors: sinks.error,
    outputBytes: bytes(sinks.output),
    errorBytes: bytes(sinks.error),
    lines: rangesOf(lease.lines, (n) => lines.includes(n)),
    sums: { ...noSums, completed: sinks.output.length, failed: sinks.error.length },
    spent: [],
  }
}
