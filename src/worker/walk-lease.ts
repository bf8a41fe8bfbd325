import { Stopped } from '../domain/stop.ts'
import { abortUnder, orAborted, over } from '../kit/abort.ts'
import { renewWalk, type Walk } from '../store/walks.ts'
import type { WorkerParts } from './parts.ts'

/**
 * Does `work` under a walk's lease: renews it while the work lasts, and aborts the work when it is lost (or when the database has been out of reach for as
 * long as the lease) or when the worker stops. Work that is aborted is not waited for: what it still does stands under an old fence, as that of a killed process does.
 */
export async function underLease<T>(
  { db, clock, settings: { leaseMs, renewMs } }: Pick<WorkerParts, 'db' | 'clock' | 'settings'>,
  { batch: { id }, fence }: Pick<Walk, 'batch' | 'fence'>,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const done = new AbortController()
  const working = abortUnder(outer)
  const renewing = (async () => {
    for (let renewedAt = clock.monotonic(); !done.signal.aborted;) {
      await clock.sleep(renewMs, done.signal)
      if (done.signal.aborted) return
      const sentAt = clock.monotonic()
      const ours = await renewWalk(db, id, fence, leaseMs).catch(() => null)
      if (ours) renewedAt = sentAt
      else if (ours === false || clock.monotonic() - renewedAt >= leaseMs)
        return working.abort(new Stopped({ kind: 'lease-lost' }))
    }
  })()
  try {
    return await orAborted(work(working.signal), working.signal)
  } finally {
    done.abort(over)
    working.leave()
    await renewing
  }
}
