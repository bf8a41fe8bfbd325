import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { databases, type OpenDb } from '../../../test/support/databases.ts'
import { createKey } from '../../auth/keys.ts'
import { openFolder } from '../../blobs/folder.ts'
import { openBucket } from '../../blobs/open.ts'
import type { ProjectId } from '../../domain/ids.ts'
import { makeEvents } from '../../events.ts'
import { systemClock as clock } from '../../kit/clock.ts'
import { silentLog } from '../../kit/log.ts'
import { makeMetrics } from '../../kit/metrics.ts'
import { DbUnavailable, type Db } from '../../store/db.ts'
import { insertProject } from '../../store/projects.ts'
import { putQuota, storedBytes } from '../../store/quotas.ts'
import { makeJanitor } from '../../worker/clean/janitor.ts'
import { createBatches } from '../../store/create-batches.ts'
import { gather } from '../../store/gather.ts'
import { makeApi } from '../server.ts'

const projectId = 'p1' as ProjectId
const form = [
  '--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n',
  '--x\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\n\r\n--x--\r\n',
].join('')

/** An API whose database loses the answer to each commit, or never commits, once `trouble` says so. */
async function open(openDb: OpenDb) {
  const home = await mkdtemp(join(tmpdir(), 'nightshift-upload-'))
  const real = await openDb()
  let trouble: 'none' | 'answer lost' | 'away' = 'none'
  const db: Db = {
    ...real,
    async tx(work) {
      if (trouble === 'away') throw new DbUnavailable('away')
      const result = await real.tx(work)
      if (trouble === 'answer lost') throw new DbUnavailable('the answer was lost')
      return result
    },
  }
  const [files, scratch] = [openFolder(join(home, 'files')), openFolder(join(home, 'scratch'))]
  const metrics = makeMetrics()
  const events = makeEvents({ log: silentLog, metrics })
  await insertProject(real, { id: projectId, name: 'p', isDefault: true, createdAt: 1 })
  const { secret } = await createKey(real, { id: 'k', projectId, name: 'k', createdAt: 1, randomBytes })
  const prices = { currency: 'eur', percent: 50, prices: [] }
  const limits = {
    rates: {},
    auditMs: 0,
    inlinesImages: false,
    maxFileBytes: 1000,
    idleMs: 10_000,
    endpoints: [],
    windows: ['24h'],
    fileMs: 1e9,
  }
  const newUuid = () => randomUUID()
  const api = await makeApi({ db, files, scratch, openBucket, clock, events, metrics, randomBytes, newUuid, serving: { tls: null, maxConnections: 100, headerMs: 1000, proxies: [] }, createTogether: gather(db, createBatches, 10), version: '0', readiness: async () => [], limits, prices, folder: home, webhooks: null, dryRun: async () => ({ kind: 'refused', errors: [] }) }) // prettier-ignore
  onTestFinished(async () => {
    await api.close()
    await real[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true })
  })
  const janitor = makeJanitor({
    db: real,
    files,
    scratch,
    openBucket,
    clock,
    log: silentLog,
    events,
    random: () => 0.5,
    settings: { keepBatchesMs: 0, keepAuditMs: 0 },
  })
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'multipart/form-data; boundary=x' }
  const blobs = async () => {
    const names = []
    for await (const { name } of files.list('')) names.push(name)
    return names
  }
  return {
    db: real,
    blobs,
    upload: async (its: typeof trouble) => {
      trouble = its
      const { statusCode } = await api.inject({ method: 'POST', url: '/v1/files', headers, payload: form })
      trouble = 'none'
      return statusCode
    },
    sweep: () => janitor.step(new AbortController().signal),
    contentOf: async () => {
      const [row] = await real.query('select id from files')
      return (await api.inject({ url: `/v1/files/${String(row?.id)}/content`, headers })).payload
    },
  }
}

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  test('an upload whose commit came through keeps its bytes, though the answer to the commit was lost', async () => {
    const { upload, blobs, sweep, contentOf } = await open(openDb)
    expect(await upload('answer lost')).toBe(503)
    await sweep()
    expect(await blobs()).toHaveLength(1)
    expect(await contentOf()).toBe('{}\n')
  })

  test('an upload that was never committed leaves nothing', async () => {
    const { upload, blobs, sweep } = await open(openDb)
    expect(await upload('away')).toBe(503)
    await sweep()
    expect(await blobs()).toEqual([])
  })

  test('of twenty uploads at once as many are kept as there is room for, and nothing stays of the others', async () => {
    const { db, upload, blobs, sweep } = await open(openDb)
    await putQuota(db, { projectId, kind: 'storage_bytes', model: null, amount: 5 * 3 + 2 })
    const answers = await Promise.all(Array.from({ length: 20 }, () => upload('none')))
    const withStatus = (one: number) => answers.filter((status) => status === one).length
    expect([withStatus(200), withStatus(429)]).toEqual([5, 15])
    await sweep()
    expect([await storedBytes(db, projectId), (await blobs()).length]).toEqual([15, 5])
  })
})
