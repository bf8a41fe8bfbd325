/** The statements that are made for many at once, for one. */
import type { Batch } from '../../src/domain/batch.ts'
import type { BatchId } from '../../src/domain/ids.ts'
import type { Db, Queries } from '../../src/store/db.ts'
import { publishBatches, type Publication } from '../../src/store/publish.ts'
import { assertWhole, finishShards, type Committed, type Segment } from '../../src/store/segments.ts'
import type { HeldFence } from '../../src/store/shards.ts'
import { claimComposes, claimPlans, type Walk } from '../../src/store/walks.ts'
import { startBatches, type Plan } from '../../src/store/starts.ts'

/** Nothing has a price. */
export const noPrices = { currency: 'eur', percent: 100, prices: [] }

function only<T>(list: readonly T[]): T {
  const [one] = list
  if (list.length !== 1 || one === undefined) throw new Error(`${list.length} answers to one question`)
  return one
}

export const claimPlan = async (db: Queries, owner: string, leaseMs: number): Promise<Walk | null> =>
  (await claimPlans(db, owner, leaseMs, 1))[0] ?? null

/** Of those with few lines. */
export const claimCompose = async (db: Queries, owner: string, leaseMs: number, graceMs: number): Promise<Walk | null> =>
  (await claimComposes(db, owner, { leaseMs, graceMs, few: 1, more: 0 }))[0] ?? null

export const startBatch = (db: Db, id: BatchId, fence: number, plan: Plan): Promise<boolean> =>
  db.tx(async (tx) => only(await startBatches(tx, [{ id, fence, plan }], noPrices)) === 'started')

export const finishShard = async (db: Db, held: HeldFence, lines: number, segment: Segment): Promise<Committed> => {
  assertWhole(held, lines, segment)
  return db.tx(async (tx) => only(await finishShards(tx, [{ held, segment }])))
}

export const publishBatch = (db: Db, batch: Batch, fence: number, what: Publication): Promise<boolean> =>
  db.tx(async (tx) => only(await publishBatches(tx, [{ batch, fence, what }])))
