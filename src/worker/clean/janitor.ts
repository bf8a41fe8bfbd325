/**
 * Removes what nothing points at any more, and nothing else (I3): scratch of batches that have ended and what they left beside their objects, files and objects
 * whose time is over, blobs that were announced and never came to be. What cannot be removed is left for later and holds up nothing else.
 */
import { grantFor } from '../../domain/address.ts'
import type { BatchId } from '../../domain/ids.ts'
import { orAborted } from '../../kit/abort.ts'
import { forever } from '../../kit/forever.ts'
import { pruneAudit } from '../../store/audit.ts'
import { listGrants } from '../../store/buckets.ts'
import { pruneCreates } from '../../store/creates.ts'
import { pruneDeliveries } from '../../store/deliveries.ts'
import { blobInUse, deleteExpiredFile, expiredFiles, expireOldFiles } from '../../store/files.ts'
import { expiredOutputs, forgetOutput, postponeExpiry } from '../../store/outputs.ts'
import { keptProjects } from '../../store/projects.ts'
import { batchesToSweep, markSwept, pruneBatches } from '../../store/sweeps.ts'
import { announceUpload, dropUpload, takeLapsedUploads } from '../../store/uploads.ts'
import { deleteAll } from './delete-all.ts'
import { eraseProjects } from './erase.ts'
import { discardLeft } from '../input.ts'
import { scratchPrefix } from '../names.ts'
import type { WorkerParts } from '../parts.ts'

const atOnce = 100
const againMs = 3_600_000
/** When the time of a batch that was swept for the last time begins to count, after its end. */
const sweptForMs = 2 * againMs
const deliveriesKeptMs = 30 * 24 * 3_600_000
const createsKeptMs = 24 * 3_600_000
/** A put that has not written a byte for so long is not one any more: a thread that was ended leaves its temporary file behind. */
const temporaryMs = 3_600_000
const temporaryEveryMs = 600_000
const livesEveryMs = 60_000

type JanitorParts = Pick<WorkerParts, 'db' | 'files' | 'scratch' | 'openBucket' | 'clock' | 'log' | 'events' | 'random'> & {
  readonly settings: Pick<WorkerParts['settings'], 'keepBatchesMs' | 'keepAuditMs'>
}

export interface Janitor {
  /** One round over everything. How many things it removed. */
  step(signal: AbortSignal): Promise<number>
  run(signal: AbortSignal): Promise<void>
}

export function makeJanitor(parts: JanitorParts): Janitor {
  const { db, files, scratch, openBucket, clock, log, events, settings } = parts
  let temporarySweptAt = -Infinity
  let livesShortenedAt = -Infinity

  async function sweepScratch(signal: AbortSignal): Promise<number> {
    const due = await batchesToSweep(db, atOnce)
    let removed = 0
    const swept: BatchId[] = []
    for (const batch of due) {
      if (signal.aborted) break
      removed += await deleteAll(scratch, scratchPrefix(batch.projectId, batch.id))
      await discardLeft(parts, batch).catch((error: unknown) =>
        log.warn('something may be left beside an object', { batch: batch.id, error }),
      ) // NOTE: a bucket that is away holds up nothing else
      swept.push(batch.id)
    }
    await markSwept(db, swept, againMs)
    return removed
  }

  async function expireFiles(signal: AbortSignal): Promise<number> {
    const over = await expiredFiles(db, atOnce)
    for (const file of over) {
      if (signal.aborted) break
      await announceUpload(db, { blob: file.blob, owner: 'janitor', leaseMs: 0 }) // NOTE: so that the blob is found again if we die between the row and it
      await deleteExpiredFile(db, file.id)
      await deleteUnused(file.blob)
    }
    return over.length
  }

  async function removeLapsed(signal: AbortSignal): Promise<number> {
    const lapsed = await takeLapsedUploads(db, 'janitor', atOnce)
    for (const blob of lapsed) {
      if (signal.aborted) break
      await deleteUnused(blob)
    }
    return lapsed.length
  }

  async function deleteUnused(blob: string): Promise<void> {
    if (!(await blobInUse(db, blob))) await files.delete([blob])
    await dropUpload(db, blob)
  }

  async function expireObjects(signal: AbortSignal): Promise<number> {
    const over = await expiredOutputs(db, atOnce)
    for (const output of over) {
      if (signal.aborted) break
      const grant = grantFor(output.store, output.bucket, output.key, await listGrants(db, output.projectId))
      try {
        if (grant && output.staged) await openBucket(grant.place, output.bucket).delete(output.key, output.staged)
        await forgetOutput(db, output, output.batchId)
      } catch (error) {
        events.expiryFailed(output.batchId, error)
        await postponeExpiry(db, output, againMs)
      }
    }
    return over.length
  }

  const erase = (signal: AbortSignal): Promise<number> => eraseProjects(parts, signal)

  /** Files of projects that keep them for so long only: their time is over, as for others that were given one. */
  async function shortenLives(signal: AbortSignal): Promise<number> {
    if (clock.monotonic() - livesShortenedAt < livesEveryMs) return 0
    livesShortenedAt = clock.monotonic()
    let pruned = 0
    for (const kept of await keptProjects(db)) {
      await expireOldFiles(db, kept)
      for (let some = atOnce; some === atOnce && !signal.aborted; pruned += some)
        some = await pruneBatches(db, kept.keepMs - sweptForMs, atOnce, kept.projectId)
    }
    return pruned
  }

  async function sweepTemporary(): Promise<number> {
    if (clock.monotonic() - temporarySweptAt < temporaryEveryMs) return 0
    temporarySweptAt = clock.monotonic()
    for (const blobs of [files, scratch]) await blobs.sweepTemporary(clock.now() - temporaryMs)
    return 0
  }

  async function prune(): Promise<number> {
    await pruneCreates(db, createsKeptMs, 1000)
    await pruneDeliveries(db, deliveriesKeptMs, 1000)
    const audited = await pruneAudit(db, settings.keepAuditMs, 1000)
    return audited + (settings.keepBatchesMs > 0 ? await pruneBatches(db, settings.keepBatchesMs, atOnce) : 0)
  }

  async function step(signal: AbortSignal): Promise<number> {
    let removed = 0
    const failures: unknown[] = []
    for (const part of [sweepScratch, expireFiles, removeLapsed, expireObjects, erase, sweepTemporary, shortenLives, prune])
      try {
        removed += await part(signal)
      } catch (error) {
        failures.push(error)
      }
    if (removed > 0) events.swept(removed)
    if (failures.length > 0) throw failures.length === 1 ? failures[0] : new AggregateError(failures)
    return removed
  }

  return {
    step,
    // NOTE: a round that a stop finds waiting for a bucket is left as a kill would leave it
    run: (signal) =>
      forever(
        'janitor',
        async (s) => ((await orAborted(step(s), s)) >= atOnce ? 0 : 1000),
        { clock, log, random: parts.random },
        signal,
      ),
  }
}
