import { describe, expect, onTestFinished, test } from 'vitest'
import { project, runningBatch, segmentOf } from '../../test/support/batch-rows.ts'
import { databases } from '../../test/support/databases.ts'
import { handClock } from '../../test/support/hand-clock.ts'
import type { BatchId, ProjectId } from '../domain/ids.ts'
import type { Events } from '../events.ts'
import { silentLog } from '../kit/log.ts'
import { cancelBatch, findBatch } from '../store/batches.ts'
import { addCheckpoint } from '../store/segments.ts'
import { claimShards, openBatches } from '../store/shards.ts'
import { makeRiskWatch } from './risk.ts'

const hour = 3_600_000

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  async function open() {
    const clock = handClock()
    const db = await openDb(clock)
    onTestFinished(() => db[Symbol.asyncDispose]())
    const told: string[] = []
    const events = {
      batchAtRisk: (id: string) => told.push(`risk ${id}`),
      batchInTime: (id: string) => told.push(`in time ${id}`),
    } as unknown as Events
    const watch = makeRiskWatch({ db, clock, log: silentLog, events, random: () => 0.5 })
    /** Runs for so many minutes, each of which ends so many lines of a batch. */
    async function minutes(count: number, id: BatchId | null = null, lines = 0): Promise<void> {
      for (let i = 0; i < count; i++) {
        await clock.advance(60_000)
        if (id !== null && lines > 0) await end(id, lines)
        await watch.step()
      }
    }
    let segments = 0
    let ended = 0
    async function end(id: BatchId, lines: number): Promise<void> {
      const [batch] = (await openBatches(db, 'm', 10)).filter((b) => b.id === id)
      const held = { batchId: id, number: 0, fence: 1 }
      if (segments === 0) await claimShards(db, batch!, 'w', 24 * hour, 1)
      expect(await addCheckpoint(db, held, segmentOf(segments++, [ended, ended + lines - 1]))).toBe('committed')
      ended += lines
    }
    /** With so many lines of ten tokens each. */
    async function batchOf(lines: number, windowMs: number, projectId: ProjectId = project): Promise<BatchId> {
      const id = await runningBatch(db, 1, { windowMs, projectId })
      await db.query(`update shards set lines = $2 where batch_id = $1`, [id, lines])
      await db.query(`update batches set total = $2, estimated_tokens = $3 where id = $1`, [id, lines, lines * 10])
      return id
    }
    const atRisk = async (id: BatchId, projectId: ProjectId = project) => (await findBatch(db, projectId, id))?.atRisk
    return { db, told, minutes, batchOf, atRisk }
  }

  test('a batch that would be late is at risk, and no longer when its pace is enough; each is told once', async () => {
    const { told, minutes, batchOf, atRisk, db } = await open()
    const id = await batchOf(1000, hour)
    await minutes(12, id, 5)
    expect(await atRisk(id)).toBe(true)
    expect((await openBatches(db, 'm', 1))[0]?.atRisk).toBe(true)
    await minutes(12, id, 40)
    expect(await atRisk(id)).toBe(false)
    expect(told).toEqual([`risk ${id}`, `in time ${id}`])
  })

  test('what is due later, of another project, or over makes nobody late', async () => {
    const { db, minutes, batchOf, atRisk } = await open()
    const soon = await batchOf(500, hour)
    const later = await batchOf(100_000, 48 * hour)
    const others = await batchOf(100_000, hour, 'p2' as ProjectId)
    await minutes(12, soon, 20)
    expect([await atRisk(soon), await atRisk(later), await atRisk(others, 'p2' as ProjectId)]).toEqual([false, true, true])
    await cancelBatch(db, project, later)
    expect(await atRisk(later)).toBe(false)
  })
})
