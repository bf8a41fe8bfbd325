import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createKey } from '../../auth/keys.ts'
import { newBatch, project, runningBatch } from '../../../test/support/batch-rows.ts'
import { databases } from '../../../test/support/databases.ts'
import { claimCompose, publishBatch } from '../../../test/support/one.ts'
import type { FileId, ProjectId } from '../../domain/ids.ts'
import { noSums } from '../../domain/usage.ts'
import { loadBatch } from '../../store/batches.ts'
import { putGrant } from '../../store/buckets.ts'
import { beginErasure, findErasure, listErasures, stillThere } from '../../store/erasures.ts'
import { insertFile } from '../../store/files.ts'
import { insertProject, updateProject } from '../../store/projects.ts'
import { putQuota } from '../../store/quotas.ts'
import { announceUpload } from '../../store/uploads.ts'
import { insertWebhook } from '../../store/webhooks.ts'
import { openHousehold } from '../../../test/support/janitor.ts'

const never = new AbortController().signal
const [hour, day] = [3_600_000, 86_400_000]
const other = 'p2' as ProjectId

/** Every row that says whose it is, but for the report itself. */
const ofProject = {
  projects: 'id = $1',
  keys: 'project_id = $1',
  key_rights: 'project_id = $1',
  buckets: 'project_id = $1',
  batches: 'project_id = $1',
  files: 'project_id = $1',
  outputs: 'project_id = $1',
  webhooks: 'project_id = $1',
  quotas: 'project_id = $1',
  usage: 'project_id = $1',
} as const

/** Throws at the n-th thing that is asked of what it wraps: before it is done, or after. */
function failing<T extends object>(parts: T, at: { left: number }, isAfter: boolean, methods: readonly string[]): T {
  return new Proxy(parts, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown
      if (typeof method !== 'function' || !methods.includes(String(name))) return method
      return async (...args: unknown[]): Promise<unknown> => {
        const dies = --at.left === 0
        if (dies && !isAfter) throw new Error('killed')
        const done = (await Reflect.apply(method, target, args)) as unknown
        if (dies) throw new Error('killed')
        return done
      }
    },
  })
}

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  async function open() {
    const household = await openHousehold(openDb, { keepBatchesMs: 0, keepAuditMs: day })
    const { home, clock, db, files, scratch } = household
    /** A project with something of everything: a batch that has ended, with results, and one that waits. */
    async function furnish(id: ProjectId) {
      await insertProject(db, { id, name: id, isDefault: false, createdAt: clock.now() })
      const folder = join(home, 'buckets', id)
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'in.jsonl'), 'theirs')
      await putGrant(db, { projectId: id, bucket: id, place: { kind: 'folder', folder } }, 'own')
      const bytes = (n: number) => new Uint8Array(n).fill(id === project ? 1 : 2)
      await createKey(db, { id: `k-${id}`, projectId: id, name: 'k', createdAt: clock.now(), randomBytes: bytes })
      await insertWebhook(db, { id: `wh-${id}`, projectId: id, url: 'https://listener.example/', events: [], secretNumber: 1, oldUntil: 0, createdAt: 0, disabledAt: null }) // prettier-ignore
      await putQuota(db, { projectId: id, kind: 'open_batches', model: '', amount: 5 } as never)
      const ended = await runningBatch(db, 2, { projectId: id })
      await db.query(`update batches set status = 'cancelling', cancelling_at = created_at where id = $1`, [ended])
      const walk = (await claimCompose(db, 'w', hour, 0))!
      const sums = { ...noSums, completed: 3, totalTokens: 70 }
      const nothing = { outputFileId: null, errorFileId: null, files: [], objects: [], objectsExpireAt: null, layout: null }
      await publishBatch(db, (await loadBatch(db, ended))!, walk.fence, { ending: 'cancelled', sums, ...nothing })
      await files.put(`${id}/a`, Buffer.from('a file'))
      await scratch.put(`${id}/${ended}/0-1-0`, Buffer.from('scratch'))
      const rest = { purpose: 'batch', filename: 'f', bytes: 6, createdAt: clock.now(), expiresAt: null, batchId: null }
      await insertFile(db, { id: `file-${id}` as FileId, projectId: id, blob: `${id}/a`, ...rest })
      const waiting = await newBatch(db, { projectId: id })
      return { folder, ended, waiting }
    }
    const rows = async (id: ProjectId) => {
      const found: Record<string, number> = {}
      for (const [table, whose] of Object.entries(ofProject)) {
        const [row] = await db.query(`select count(*) as count from ${table} where ${whose}`, [id])
        if (Number(row?.count) > 0) found[table] = Number(row?.count)
      }
      return found
    }
    const blobs = async (id: ProjectId) => {
      const found: string[] = []
      for (const store of [files, scratch]) for await (const { name } of store.list(`${id}/`)) found.push(name)
      return found
    }
    /** What a composer does with a batch that is being cancelled. */
    async function endCancelled() {
      for (;;) {
        const walk = await claimCompose(db, 'composer', hour, 0)
        if (!walk) return
        const nothing = { outputFileId: null, errorFileId: null, files: [], objects: [], objectsExpireAt: null, layout: null }
        await publishBatch(db, walk.batch, walk.fence, { ending: 'cancelled', sums: noSums, ...nothing })
      }
    }
    return { ...household, furnish, rows, blobs, endCancelled }
  }

  test('a project goes with everything of it, when its batches have ended, and nothing of another', async () => {
    const { clock, db, scratch, janitor, furnish, rows, blobs, endCancelled } = await open()
    const [theirs, mine] = [await furnish(project), await furnish(other)]
    const before = [await rows(other), await blobs(other)]
    await beginErasure(db, project, 'p1')
    expect((await loadBatch(db, theirs.waiting))?.status).toBe('cancelling')
    expect(await rows(project)).not.toHaveProperty('key_rights')
    const { step } = janitor()
    for (let i = 0; i < 3; i++) await step(never)
    expect([existsSync(theirs.folder), (await findErasure(db, project))?.erasedAt]).toEqual([true, null])
    expect(await stillThere(db, project)).toMatchObject({ openBatches: 1, files: 0 })
    await endCancelled()
    for (let i = 0; i < 3; i++) await step(never)
    expect([await rows(project), await blobs(project), existsSync(theirs.folder)]).toEqual([{}, [], false])
    const report = await findErasure(db, project)
    expect(report).toMatchObject({
      name: 'p1',
      confirmedAt: null,
      deleted: { batches: 2, files: 1, bytes: 6, keys: 1, webhooks: 1, requests: 3, tokens: 70 },
    })
    expect(report?.erasedAt).not.toBeNull()

    await scratch.put(`${project}/late/0-1-0`, Buffer.from('of a worker that was stopped'))
    await newBatch(db, { projectId: project })
    await clock.advance(hour)
    await step(never)
    await endCancelled()
    for (let i = 0; i < 3; i++) await step(never)
    expect([await rows(project), await blobs(project)]).toEqual([{}, []])
    const confirmed = await findErasure(db, project)
    expect([confirmed?.confirmedAt !== null, confirmed?.deleted.batches]).toEqual([true, 3])
    expect([await rows(other), await blobs(other).then((all) => all.filter((name) => !name.includes(mine.ended)))]).toEqual([
      before[0],
      [`${other}/a`],
    ])
    expect(existsSync(mine.folder)).toBe(true)
    expect(await listErasures(db)).toHaveLength(1)
  })

  test('killed at any call, it goes on and comes to the same report', async () => {
    const reports: unknown[] = []
    for (let kill = 1, died = true; died; kill += 4)
      for (const isAfter of [false, true]) {
        const { clock, db, files, scratch, janitor, furnish, rows, blobs, endCancelled } = await open()
        await furnish(project)
        await beginErasure(db, project, 'p1')
        await endCancelled()
        const at = { left: kill }
        const broken = janitor({
          db: failing(db, at, isAfter, ['query', 'tx']),
          files: failing(files, at, isAfter, ['delete']),
          scratch: failing(scratch, at, isAfter, ['delete']),
        })
        for (let i = 0; i < 3 && at.left > 0; i++) await broken.step(never).catch(() => {})
        died = at.left <= 0
        await clock.advance(1)
        for (let i = 0; i < 4; i++) await janitor().step(never)
        expect([await rows(project), await blobs(project)], `killed at call ${kill}`).toEqual([{}, []])
        reports.push((await findErasure(db, project))?.deleted)
      }
    expect(reports.length).toBeGreaterThan(10)
    expect(new Set(reports.map((one) => JSON.stringify(one))).size).toBe(1)
  }, 240_000)

  test('an upload that is still going on is waited for', async () => {
    const { db, janitor, furnish, endCancelled, clock } = await open()
    await furnish(project)
    await announceUpload(db, { blob: `${project}/coming`, owner: 'a sender', leaseMs: hour })
    await beginErasure(db, project, 'p1')
    await endCancelled()
    const { step } = janitor()
    for (let i = 0; i < 3; i++) await step(never)
    expect([(await findErasure(db, project))?.erasedAt, (await stillThere(db, project)).uploads]).toEqual([null, 1])
    await clock.advance(hour)
    for (let i = 0; i < 3; i++) await step(never)
    expect((await findErasure(db, project))?.erasedAt).not.toBeNull()
  })

  test('a project keeps files and ended batches for as long as it says', async () => {
    const { db, clock, janitor, furnish, rows, blobs } = await open()
    await furnish(project)
    await furnish(other)
    await db.query(`delete from batches where status in ('validating', 'in_progress')`)
    await updateProject(db, project, { keepMs: 2 * day })
    const { step } = janitor()
    await step(never)
    await clock.advance(hour + 1)
    await step(never)
    await clock.advance(2 * day - hour - 2)
    await step(never)
    expect([(await rows(project)).batches, await blobs(project)]).toEqual([1, [`${project}/a`]])
    await clock.advance(2 * hour)
    await step(never)
    await step(never)
    expect([(await rows(project)).batches, (await rows(project)).files, await blobs(project)]).toEqual([undefined, undefined, []])
    expect([(await rows(other)).batches, (await rows(other)).files]).toEqual([1, 1])
  })
})
