import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openFolder } from '../../src/blobs/folder.ts'
import { openBucket } from '../../src/blobs/open.ts'
import type { Blobs } from '../../src/blobs/blobs.ts'
import { makeEvents } from '../../src/events.ts'
import { silentLog } from '../../src/kit/log.ts'
import { makeMetrics } from '../../src/kit/metrics.ts'
import type { Db } from '../../src/store/db.ts'
import { makeJanitor } from '../../src/worker/clean/janitor.ts'
import type { OpenDb } from './databases.ts'
import { handClock } from './hand-clock.ts'

/** A database, the two stores of blobs and a clock that is moved by hand, for one test; and janitors of them, or of what wraps them. */
export async function openHousehold(openDb: OpenDb, settings: { readonly keepBatchesMs: number; readonly keepAuditMs: number }) {
  const home = await mkdtemp(join(tmpdir(), 'nightshift-janitor-'))
  const clock = handClock(Date.now())
  const db = await openDb(clock)
  onTestFinished(async () => {
    await db[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true })
  })
  const [files, scratch] = [openFolder(join(home, 'files')), openFolder(join(home, 'scratch'))]
  const janitor = (of: { db: Db; files: Blobs; scratch: Blobs } = { db, files, scratch }) => {
    const events = makeEvents({ log: silentLog, metrics: makeMetrics() })
    return makeJanitor({ ...of, openBucket, clock, log: silentLog, events, random: () => 0.5, settings })
  }
  return { home, clock, db, files, scratch, janitor }
}
