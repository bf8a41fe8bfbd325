import type { BackendStatus } from '../../dispatch/feed.ts'
import type { OpenBatch } from '../../store/shards.ts'
import { dropSlots, settleSlots } from '../../store/slots.ts'
import type { BatchRun } from './batch-run.ts'
import type { WorkerParts } from '../parts.ts'

/** A claim that is as it should be is renewed so often. */
const renewMs = 1000
/** Counted off the lease, for clocks that differ and statements that wait. */
const marginMs = 1000

/** This worker's part of what the fleet may have open (I9). */
export interface Slots {
  /** Are the claims known to be ours still? */
  readonly fresh: boolean
  /** Claims as many slots of each backend as there are lines for, gives back what is not needed, and lets the lanes have what it got. */
  settle(open: readonly OpenBatch[], runs: Iterable<BatchRun>): Promise<void>
  /** Gives everything back. */
  release(): Promise<void>
}

/** A worker that has the backends to itself. */
export const allSlots: Slots = { fresh: true, settle: async () => {}, release: async () => {} }

type Parts = Pick<WorkerParts, 'db' | 'dispatcher' | 'clock' | 'owner'> & { readonly leaseMs: number }

export function makeSlots({ db, dispatcher, clock, owner, leaseMs }: Parts): Slots {
  const claims = new Map<string, { cap: number; granted: number; wanted: number; settledAt: number }>()
  for (const { url } of dispatcher.backends()) {
    claims.set(url, { cap: 0, granted: 0, wanted: 0, settledAt: -Infinity })
    dispatcher.setCeiling(url, 0)
  }

  async function settleOne(backend: BackendStatus, wanted: number): Promise<void> {
    const claim = claims.get(backend.url)
    if (!claim) return
    const sentAt = clock.monotonic()
    const quiet = claim.cap === claim.granted && claim.cap === wanted && claim.wanted === wanted
    if (quiet && (wanted === 0 || sentAt - claim.settledAt < renewMs)) return
    const { cap, granted } = await settleSlots(db, {
      backend: backend.url,
      ceiling: backend.most,
      owner,
      cap: claim.cap,
      inFlight: inFlightOf(backend.url),
      wanted,
      leaseMs,
    })
    claims.set(backend.url, { cap, granted, wanted, settledAt: sentAt })
    dispatcher.setCeiling(backend.url, cap)
  }

  const inFlightOf = (url: string) => dispatcher.backends().find((b) => b.url === url)?.inFlight ?? 0

  function isFresh(): boolean {
    const oldest = clock.monotonic() - leaseMs + marginMs
    return [...claims.values()].every(({ cap, settledAt }) => cap === 0 || settledAt > oldest)
  }

  return {
    get fresh() {
      return isFresh()
    },
    async settle(open, runs) {
      const all = [...runs]
      const wasStale = !isFresh()
      for (const backend of dispatcher.backends()) await settleOne(backend, wantedOf(backend, open, all))
      if (wasStale) for (const run of all) dispatcher.wake(run) // NOTE: the lanes have passed them over since
    },
    release: () => dropSlots(db, owner),
  }
}

/** Calls that could be open if there were slots: all of them while shards wait to be claimed, else as many as lines are held, those that wait for their next attempt among them. */
export function wantedOf(
  { models, state, most, inFlight }: Pick<BackendStatus, 'models' | 'state' | 'most' | 'inFlight'>,
  open: readonly Pick<OpenBatch, 'model' | 'waiting'>[],
  runs: readonly Pick<BatchRun, 'model' | 'left'>[],
): number {
  if (state === 'closed') return inFlight
  const has = ({ model }: { readonly model: string }) => models?.includes(model) ?? false
  if (open.some((batch) => batch.waiting && has(batch))) return most
  const left = runs.filter(has).reduce((sum, run) => sum + run.left, 0)
  return Math.min(most, Math.max(inFlight, left))
}
