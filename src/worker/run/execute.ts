/**
 * The part of a worker that runs shards. It looks at the open batches every quarter of a second (and at hints, less often where a look takes long), claims
 * shards where fewer lines are at hand than the lanes can take, renews what it holds, saves results by time or size, and gives back what it must not run any more.
 *
 * A shard's way here: claimed -> lines taken and settled -> (checkpoints) -> finished. Or, when its batch stops: aborted -> calls closed -> what came whole
 * is saved -> given back. Or, when its lease is lost: aborted -> calls closed -> forgotten.
 */
import type { BatchId } from '../../domain/ids.ts'
import type { ShardLease } from '../../domain/shard.ts'
import { Stopped, type StopReason } from '../../domain/stop.ts'
import { forever, makeBell } from '../../kit/forever.ts'
import { giveBackShards, openBatches, openModels, renewShards, stoppedBatches, type OpenBatch } from '../../store/shards.ts'
import { forgetWorker, noteWorker } from '../../store/workers.ts'
import { makeAttendant } from './attend.ts'
import { startRun, type BatchRun, type Held } from './batch-run.ts'
import { makeBudget } from './budget.ts'
import { leaseMarginMs, makeClaims } from './claims.ts'
import type { WorkerParts } from '../parts.ts'
import { allSlots, makeSlots } from './slots.ts'

/** Batches of a model that it looks at. */
const openAtOnce = 1000
/** Between looks there is so many times the time that one takes: with a thousand batches in the table, hints would make it look without end. */
const restOfLooks = 6
const restAtMostMs = 200
/** How long after a look that was sent nothing new may leave (I8: a second, less what a look takes). */
const lookFreshMs = 900

export interface Executor {
  /** Runs until stopped; then lets open calls end for the grace time, saves, and gives everything back. */
  run(signal: AbortSignal): Promise<void>
}

/** `ripe`: told of each batch of which a shard was finished. */
export function makeExecutor(parts: WorkerParts, ripe: (id: BatchId) => void): Executor {
  const { db, dispatcher, clock, log, events, owner, settings } = parts
  const runs = new Map<string, BatchRun>()
  const bell = makeBell(clock)
  const budget = makeBudget(
    settings,
    () => heldOf(runs),
    () => clock.monotonic(),
  )
  const slots = settings.fleet ? makeSlots({ db, dispatcher, clock, owner, leaseMs: settings.leaseMs }) : allSlots
  const idPrefix = Buffer.from(parts.randomBytes(12)).toString('hex')
  let requests = 0
  const requestId = () => idPrefix + (requests++).toString(16).padStart(8, '0')
  /** Saves go on while the worker stops; only the end of the grace time aborts them. */
  const saving = new AbortController()
  let draining = false
  let lookedAt = -Infinity
  let nextLookAt = 0
  let renewedAt = -Infinity

  const { attend, lose } = makeAttendant({
    db,
    dispatcher,
    clock,
    log,
    events,
    settings,
    budget,
    saving: saving.signal,
    release,
    ripe,
  })

  const claims = makeClaims({ ...parts, budget, runs, runOf, attend, requestId, saving: saving.signal })

  const canSend = (now: number) => !draining && now - lookedAt < lookFreshMs && !budget.clogged && slots.fresh

  function runOf(batch: OpenBatch): BatchRun {
    const known = runs.get(batch.id)
    if (known) return known
    const run = startRun(batch, {
      monotonic: () => clock.monotonic(),
      open: canSend,
      hungry: () => bell.ring(),
      spent: () => claims.starved && bell.ring(),
      flushBytes: settings.flushBytes,
      attend,
    })
    runs.set(batch.id, run)
    dispatcher.add(run)
    return run
  }

  function release(run: BatchRun, held: Held): void {
    run.drop(held)
    budget.release(run, held.shard)
    if (claims.starved) bell.ring()
  }

  function stop(run: BatchRun, why: StopReason): void {
    dispatcher.remove(run)
    for (const held of run.held) {
      held.shard.abort(new Stopped(why))
      attend(run, held)
    }
  }

  async function look(): Promise<readonly OpenBatch[]> {
    const sentAt = clock.monotonic()
    const served = new Set(dispatcher.backends().flatMap(({ models }) => models ?? []))
    const open: OpenBatch[] = []
    for (const model of await openModels(db)) if (served.has(model)) open.push(...(await openBatches(db, model, openAtOnce)))
    open.sort((a, b) => (a.id < b.id ? -1 : 1))
    const still = new Set<string>(open.map((b) => b.id))
    const gone = await stoppedBatches(
      db,
      [...runs.values()].filter((r) => !still.has(r.batchId)).map((r) => r.batch.id),
    )
    const wasStale = clock.monotonic() - lookedAt >= lookFreshMs
    lookedAt = sentAt
    for (const [id, why] of gone) {
      const run = runs.get(id)
      if (run) stop(run, { kind: why })
    }
    for (const run of runs.values()) {
      if (run.held.size === 0 && (!still.has(run.batchId) || run.exhausted)) {
        dispatcher.remove(run)
        runs.delete(run.batchId)
      } else if (wasStale) dispatcher.wake(run)
    }
    for (const batch of open) {
      const run = runs.get(batch.id)
      if (!run) continue
      if (batch.waiting) run.exhausted = false
      const changed = run.weight !== batch.weight || run.atRisk !== batch.atRisk
      run.weight = batch.weight
      run.atRisk = batch.atRisk
      if (changed) dispatcher.wake(run)
    }
    return open
  }

  async function renew(): Promise<void> {
    const sentAt = clock.monotonic()
    if (sentAt - renewedAt < settings.renewMs) return
    if (settings.fleet) await noteWorker(db, owner, settings.leaseMs)
    const ours = new Map((await renewShards(db, owner, settings.leaseMs)).map((h) => [fenceKey(h), h]))
    renewedAt = sentAt
    for (const [run, held] of heldOf(runs)) {
      if (ours.delete(fenceKey(held.shard.lease))) {
        const wasStale = clock.monotonic() >= held.shard.freshUntil
        held.shard.freshUntil = sentAt + settings.leaseMs - leaseMarginMs
        if (wasStale) dispatcher.wake(run) // NOTE: the lanes have passed it over since its lease was last known to be ours
      } else if (held.claimedAt < sentAt && !held.saver.busy && held.shard.left > 0) lose(run, held)
    }
    if (ours.size > 0) await giveBackShards(db, [...ours.values()]) // NOTE: held in our name and not known to us: the answer to a claim was lost, or a giving back failed
  }

  function attendAll(): void {
    const was = budget.clogged
    budget.measure()
    for (const [run, held] of heldOf(runs)) attend(run, held)
    if (was && !budget.clogged) for (const run of runs.values()) dispatcher.wake(run)
  }

  async function step(signal: AbortSignal): Promise<number> {
    const restMs = nextLookAt - clock.monotonic()
    if (restMs > 0) await clock.sleep(restMs, signal)
    const lookingAt = clock.monotonic()
    const open = await look()
    nextLookAt = clock.monotonic() + Math.min(restAtMostMs, (clock.monotonic() - lookingAt) * restOfLooks)
    await renew()
    await slots.settle(open, runs.values())
    return (await claims.claimFor(open, signal)) ? settings.lookMs : 1
  }

  async function drain(): Promise<void> {
    draining = true
    for (const [run, held] of heldOf(runs))
      if (held.shard.out === 0) {
        held.shard.abort(new Stopped({ kind: 'shutdown' }))
        attend(run, held)
      }
    const end = clock.monotonic() + settings.graceMs * 0.8
    const inFlight = () => dispatcher.backends().some((backend) => backend.inFlight > 0)
    while (inFlight() && clock.monotonic() < end) {
      await clock.sleep(50)
      await renew().catch(() => {})
      await slots.settle([], []).catch(() => {})
      attendAll()
    }
    for (const run of runs.values()) stop(run, { kind: 'shutdown' })
    const last = clock.monotonic() + settings.graceMs * 0.2
    while (heldOf(runs).length > 0 && clock.monotonic() < last) await clock.sleep(20)
    saving.abort(new Stopped({ kind: 'shutdown' }))
    await slots.release().catch(() => {}) // NOTE: they lapse
    if (settings.fleet) await forgetWorker(db, owner).catch(() => {})
  }

  return {
    async run(signal) {
      const ends = [db.listen('run', () => bell.ring()), db.listen('change', () => bell.ring())]
      const flushing = new AbortController()
      const flusher = forever(
        'flush',
        async () => (attendAll(), settings.flushMs / 20),
        { clock, log, random: parts.random },
        flushing.signal,
      )
      await forever('execute', step, { clock, log, bell, random: parts.random }, signal)
      await drain()
      flushing.abort()
      await flusher
      for (const end of ends) end()
    },
  }
}

const fenceKey = ({ batchId, number, fence }: Pick<ShardLease, 'batchId' | 'number' | 'fence'>): string =>
  `${batchId}/${number}/${fence}`

const heldOf = (runs: ReadonlyMap<string, BatchRun>): [BatchRun, Held][] =>
  [...runs.values()].flatMap((run) => [...run.held].map((held): [BatchRun, Held] => [run, held]))
