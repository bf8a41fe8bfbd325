import { Stopped } from '../domain/stop.ts'
import type { BatchId } from '../domain/ids.ts'
import { joinSignals, over } from '../kit/abort.ts'
import type { Clock } from '../kit/clock.ts'
import { renewWalk } from '../store/walks.ts'
import type { Db } from '../store/db.ts'

/**
 * Does `work` under a walk's lease: renews it while the work lasts, and aborts the work when it is lost (or when the database has been out of reach for as
 * long as the lease) or when the worker stops.
 */
export async function underLease<T>(
  { db, clock, leaseMs, renewMs }: { db: Db; clock: Clock; leaseMs: number; renewMs: number },
  id: BatchId,
  fence: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController()
  const done = new AbortController()
  const joined = joinSignals(outer, lost.signal)
  const renewing = (async () => {
    for (let renewedAt = clock.monotonic(); !done.signal.aborted;) {
      await clock.sleep(renewMs, done.signal)
      if (done.signal.aborted) return
      const sentAt = clock.monotonic()
      const ours = await renewWalk(db, id, fence, leaseMs).catch(() => null)
      if (ours) renewedAt = sentAt
      else if (ours === false || clock.monotonic() - renewedAt >= leaseMs) return lost.abort(new Stopped({ kind: 'lease-lost' }))
    }
  })()
  try {
    return await work(joined.signal)
  } finally {
    done.abort(over)
    joined.leave()
    await renewing
  }
}
