import type { Range } from '../../src/domain/shard.ts'
import { noSums } from '../../src/domain/usage.ts'
import type { BatchId, KeyId, ProjectId } from '../../src/domain/ids.ts'
import { insertBatch } from '../../src/store/batches.ts'
import { int, type Db } from '../../src/store/db.ts'
import { insertProject } from '../../src/store/projects.ts'
import type { Segment } from '../../src/store/segments.ts'
import { claimPlan, startBatch } from './one.ts'

export const project = 'p1' as ProjectId
let made = 0

/** An id that sorts by the order of making. */
export const nextId = (): BatchId => `00000000-0000-7000-8000-${String(++made).padStart(12, '0')}` as BatchId

/** What the database's clock tells, which a test may have set. */
async function nowOf(db: Db): Promise<number> {
  const [clock] = await db.query('select {now} as now')
  return int(clock!, 'now')
}

/** A batch that waits for its plan, created now. */
export async function newBatch(db: Db, { windowMs = 86_400_000, projectId = project } = {}): Promise<BatchId> {
  const createdAt = await nowOf(db)
  await insertProject(db, { id: projectId, name: projectId, isDefault: false, createdAt }).catch(() => {})
  const id = nextId()
  await insertBatch(db, {
    id,
    projectId,
    keyId: 'k' as KeyId,
    endpoint: '/v1/chat/completions',
    input: 'file-x',
    completionWindow: '24h',
    metadata: null,
    outputExpiresSeconds: null,
    createdAt,
    expiresAt: createdAt + windowMs,
  })
  return id
}

/** A batch that runs, with so many shards of ten lines. */
export async function runningBatch(db: Db, shards = 2, options: Parameters<typeof newBatch>[1] = {}): Promise<BatchId> {
  const id = await newBatch(db, options)
  for (;;) {
    const walk = await claimPlan(db, 'planner', 60_000)
    if (!walk) throw new Error('nothing to plan')
    const spans = Array.from({ length: shards }, (_, number) => ({ number, offset: number * 100, bytes: 100, lines: 10 }))
    await startBatch(db, walk.batch.id, walk.fence, {
      blob: 'plan',
      bytes: shards * 100,
      lines: shards * 10,
      tokens: 0,
      cost: 0,
      model: 'm',
      shards: spans,
    })
    if (walk.batch.id === id) return id
  }
}

/** A segment with these lines, all of them completed, a token each. */
export function segmentOf(number: number, ...lines: Range[]): Segment {
  const count = lines.reduce((n, [a, b]) => n + b - a + 1, 0)
  return {
    number,
    place: `s${number}`,
    outputBytes: count * 10,
    errorBytes: 0,
    lines,
    sums: { ...noSums, completed: count, totalTokens: count },
  }
}
