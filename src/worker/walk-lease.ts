import { Stopped } from '../domain/stop.ts'
import type { Clock } from '../kit/clock.ts'
import { abortUnder, orAborted, over } from '../kit/abort.ts'
import { renewWalk, type Walk } from '../store/walks.ts'
import type { WorkerParts } from './parts.ts'

/**
 * Does `work` under a walk's lease: renews it while the work lasts, and aborts the work when it is lost (or when the database has been out of reach for as
 * long as the lease) or when the worker stops.
 * @throws {Abandoned} work that does not end soon after its abort
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
    return await orAbandoned(work(working.signal), working.signal, clock)
  } finally {
    done.abort(over)
    working.leave()
    await renewing
  }
}

/**
 * Work that goes on although it was aborted: it stands at something that does not answer. Where it may yet make something appear, its lease is not given back: it lapses, or
 * ends with its process, as that of a killed one does.
 */
export class Abandoned extends Error {
  override name = 'Abandoned'
}

/** A call that cannot be taken back, such as the last of an upload, is over by then. */
const lastMs = 2000

async function orAbandoned<T>(doing: Promise<T>, signal: AbortSignal, clock: Clock): Promise<T> {
  try {
    return await orAborted(doing, signal)
  } catch (error) {
    if (!signal.aborted) throw error
    const ended = new AbortController()
    const end = () => ended.abort(over)
    doing.then(end, end)
    await clock.sleep(lastMs, ended.signal)
    if (ended.signal.aborted) return doing
    throw new Abandoned('the work was aborted and did not end', { cause: signal.reason })
  }
}
