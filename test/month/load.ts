/** A month of made-up batches. What they answer is made up; how shards are held and saved, and how batches are composed, published and counted is as it is. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openFolder } from '../../src/blobs/folder.ts'
import { dayOf, type Day } from '../../src/domain/day.ts'
import type { BatchId, FileId, KeyId, ProjectId } from '../../src/domain/ids.ts'
import type { ShardLease } from '../../src/domain/shard.ts'
import { makeEvents } from '../../src/events.ts'
import { silentLog } from '../../src/kit/log.ts'
import { makeMetrics } from '../../src/kit/metrics.ts'
import { cancelBatch, insertBatch, loadBatch } from '../../src/store/batches.ts'
import type { Db } from '../../src/store/db.ts'
import { findFile } from '../../src/store/files.ts'
import { gather } from '../../src/store/gather.ts'
import { finishShards } from '../../src/store/segments.ts'
import { claimShards, openBatches } from '../../src/store/shards.ts'
import { endOwner } from '../../src/store/walks.ts'
import { makeComposer } from '../../src/worker/compose/compose.ts'
import type { WorkerParts } from '../../src/worker/parts.ts'
import { holdShard } from '../../src/worker/run/held-shard.ts'
import { makeSaver, type Saver } from '../../src/worker/run/saver.ts'
import { makeSlabs } from '../../src/worker/run/slabs.ts'
import { nextId } from '../support/batch-rows.ts'
import type { Chance } from '../support/chance.ts'
import type { HandClock } from '../support/hand-clock.ts'
import { claimPlan, startBatch } from '../support/one.ts'
import { planned } from '../support/planned.ts'
import { endingOf } from './answers.ts'
import { cutOff, type Cut } from './cut-off.ts'

const hourMs = 3_600_000
const leaseMs = 60_000

export interface Order {
  readonly projectId: ProjectId
  readonly keyId: KeyId
  readonly endpoint: string
  readonly model: string
  readonly end: 'completed' | 'cancelled' | 'expired'
  /** What happens to composers of it, one after the other. */
  readonly cuts: readonly Cut[]
}

/** A batch that has ended, and the bytes of its two files. */
export interface Ended extends Order {
  readonly day: Day
  readonly files: string
}

export interface Load extends AsyncDisposable {
  /** To its end. */
  run(order: Order): Promise<Ended>
  /** How often a worker was killed with results that nobody had saved. */
  readonly killed: number
}

export async function openLoad(db: Db, clock: HandClock, chance: Chance): Promise<Load> {
  const home = await mkdtemp(join(tmpdir(), 'nightshift-month-'))
  const [files, scratch] = [openFolder(join(home, 'files')), openFolder(join(home, 'scratch'))]
  const saves = { db, scratch, finish: gather(db, finishShards, 10), shortBytes: 1000, bigBytes: 500 }
  const slabs = makeSlabs(1e6)
  const always = new AbortController().signal
  let workers = 0
  let killed = 0

  async function make({ projectId, keyId, endpoint, model, end }: Order): Promise<BatchId> {
    const id = nextId()
    const window = { completionWindow: '24h', createdAt: clock.now(), expiresAt: clock.now() + 24 * hourMs }
    const rest = { input: 'file-x', metadata: null, outputExpiresSeconds: null }
    await insertBatch(db, { id, projectId, keyId, endpoint, ...window, ...rest })
    const walk = await claimPlan(db, 'planner', leaseMs)
    if (walk?.batch.id !== id) throw new Error('another batch waits for its plan')
    let [lines, offset] = [0, 0]
    const shards = Array.from({ length: chance.between(end === 'expired' ? 2 : 1, 3) }, (_, number) => {
      const count = chance.between(1, 9)
      const body = Buffer.concat(Array.from({ length: count }, () => planned(++lines, 20)))
      offset += body.length
      return { number, offset: offset - body.length, bytes: body.length, lines: count, body: body.toString('base64') }
    })
    await startBatch(db, id, walk.fence, { blob: null, bytes: offset, lines, tokens: 0, cost: 0, model, shards })
    return id
  }

  /** Claims shards until none is left, or, of a batch that is to be stopped, once at most. */
  async function runLines(id: BatchId, order: Order): Promise<void> {
    const late: Saver[] = []
    for (let rounds = order.end === 'completed' ? Infinity : chance.between(0, 1); rounds > 0; rounds--) {
      const open = (await openBatches(db, order.model, 10)).find((batch) => batch.id === id)
      const leases = open ? await claimShards(db, open, `worker-${workers++}`, leaseMs, order.end === 'completed' ? 2 : 1) : []
      if (leases.length === 0) break
      for (const lease of leases) late.push(...(await runShard(lease, order)))
    }
    if (order.end === 'completed')
      for (const saver of late)
        expect(await saver.checkpoint(always), 'it was thought dead, and its shard is another’s').toBe('lost')
  }

  /** Sends, saves and finishes, or is killed in the midst of it: then its saver is given, which does not know. */
  async function runShard(lease: ShardLease, { projectId, endpoint }: Order): Promise<Saver[]> {
    const told = { atHand() {}, failed: (error: unknown) => expect.fail(String(error)), requestId: () => 'r' }
    const shard = holdShard(lease, Infinity, { scratch, monotonic: () => clock.monotonic(), slabs, ...told })
    const saver = makeSaver({ ...saves, clock, random: () => 0, troubled() {}, slabs }, shard, projectId)
    while (shard.left > 0) {
      const line = shard.take()
      if (!line) {
        await new Promise((resolve) => setImmediate(resolve)) // NOTE: its plan is being read
        continue
      }
      shard.settle(endingOf(endpoint, chance), line)
      if (chance.happens(0.05)) {
        killed++
        await clock.advance(leaseMs + 1)
        return [saver]
      }
      if (chance.happens(0.1)) await saver.checkpoint(always)
    }
    expect(await saver.finish(always)).toBe('committed')
    return []
  }

  /** Until it has ended, or a composer was cut off. */
  async function compose(on: Db, owner: string, over = new AbortController()): Promise<void> {
    const events = {
      ...makeEvents({ log: silentLog, metrics: makeMetrics() }),
      batchPublished: () => over.abort(),
      composeFailed: () => over.abort(),
    }
    const settings = { leaseMs, renewMs: leaseMs / 3, outputFileMs: 365 * 24 * hourMs }
    const parts = { db: on, files, scratch, clock, events, owner, settings, log: silentLog, random: () => 0, randomBytes }
    await makeComposer(parts as unknown as WorkerParts).run(over.signal)
  }

  async function composeCutOff(cut: Cut): Promise<void> {
    const over = new AbortController()
    const overtake = async () => {
      await endOwner(db, 'slow composer')
      await compose(db, 'composer')
      setImmediate(() => over.abort())
    }
    await compose(cutOff(db, cut, overtake), 'slow composer', over)
  }

  const hasEnded = async (id: BatchId) => ['completed', 'cancelled', 'expired'].includes((await loadBatch(db, id))?.status ?? '')

  async function contentOf(projectId: ProjectId, id: string | null): Promise<string> {
    const file = id === null ? null : await findFile(db, projectId, id as FileId)
    if (!file) return ''
    return (await files.readRange({ name: file.blob, start: 0, bytes: file.bytes })).toString()
  }

  return {
    get killed() {
      return killed
    },
    async run(order) {
      const { projectId, end, cuts } = order
      const id = await make(order)
      await runLines(id, order)
      await clock.advance(end === 'expired' ? 25 * hourMs : chance.between(1, 9) * hourMs)
      if (end === 'cancelled') await cancelBatch(db, projectId, id)
      await clock.advance(10_000) // NOTE: who holds a shard of a batch that is stopped has a moment to save
      for (const cut of cuts) {
        if (await hasEnded(id)) break
        await composeCutOff(cut)
        if (!(await hasEnded(id))) await clock.advance(chance.between(1, 9) * hourMs)
      }
      if (!(await hasEnded(id))) await compose(db, 'composer')
      const batch = await loadBatch(db, id)
      expect(batch?.status).toBe(end)
      const content = [
        await contentOf(projectId, batch?.outputFileId ?? null),
        await contentOf(projectId, batch?.errorFileId ?? null),
      ]
      return { ...order, day: dayOf(clock.now()), files: content.join('') }
    },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  }
}
