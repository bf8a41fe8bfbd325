/**
 * The part of a worker that composes and publishes. A batch is claimed when it is ready (see `claimCompose`); its shards are closed, so that nothing can be
 * added any more; its results are joined from what the rows say and written whole; one transaction publishes them. Each step can be done again by the next
 * composer: bytes follow from committed rows alone, and names are reserved before anything appears under them.
 */
import { isAddress } from '../domain/address.ts'
import type { Batch } from '../domain/batch.ts'
import { noSums } from '../domain/usage.ts'
import { forever, makeBell } from '../kit/forever.ts'
import { loadBatch } from '../store/batches.ts'
import { publishBatch, type Publication, type Terminal } from '../store/publish.ts'
import { layoutOfShards } from '../store/result-rows.ts'
import { resultSizes } from '../store/segments.ts'
import { closeShards } from '../store/shards.ts'
import { claimCompose, giveBackWalk, type Walk } from '../store/walks.ts'
import { composeFiles } from './compose-files.ts'
import { composeObjects } from './compose-objects.ts'
import { errorLines, outputLines } from './joined.ts'
import type { WorkerParts } from './parts.ts'
import type { Results } from './results.ts'
import { underLease } from './walk-lease.ts'

const atOnce = 4
/** On a cancel or at the end of the window, how long holders have to save and give back. */
const holdersGraceMs = 1500
/** D27: results that cannot get into the bucket for so long are published as files. */
const elsewhereAfterMs = 24 * 3_600_000

export function makeComposer(parts: WorkerParts): { run(signal: AbortSignal): Promise<void> } {
  const { db, scratch, clock, log, events, owner, settings } = parts
  const bell = makeBell(clock)
  const walking = new Map<string, Promise<void>>()

  async function step(signal: AbortSignal): Promise<number> {
    while (walking.size < atOnce) {
      const walk = await claimCompose(db, owner, settings.leaseMs, holdersGraceMs, [...walking.keys()])
      if (!walk) break
      const ended = walkCompose(walk, signal).finally(() => {
        walking.delete(walk.batch.id)
        bell.ring()
      })
      walking.set(walk.batch.id, ended)
    }
    return 500
  }

  async function walkCompose(walk: Walk, outer: AbortSignal): Promise<void> {
    const { batch, fence } = walk
    const startedAt = clock.monotonic()
    try {
      await underLease(
        { db, clock, leaseMs: settings.leaseMs, renewMs: settings.renewMs },
        batch.id,
        fence,
        outer,
        async (signal) => {
          for (let seen: Batch | null = batch; seen && !signal.aborted; seen = await loadBatch(db, batch.id)) {
            const publication = await compose(walk, seen, signal)
            if (publication && (await publishBatch(db, seen, fence, publication))) {
              events.batchPublished(seen, publication.ending, publication.sums, clock.monotonic() - startedAt)
              db.hint('change')
              return
            }
            if (!publication || seen.status === 'cancelling') return // NOTE: our fence is old: another composer has it
          }
        },
      )
    } catch (error) {
      const since = walk.troubleSince === null ? 0 : clock.now() - walk.troubleSince
      if (!outer.aborted) events.composeFailed(batch, error)
      const trouble = outer.aborted ? null : `results cannot be written: ${error instanceof Error ? error.message : 'unknown'}`
      await giveBackWalk(db, batch.id, fence, outer.aborted ? 0 : Math.min(300_000, Math.max(1000, since / 4)), trouble).catch(
        () => {},
      )
    }
  }

  /** null: the fence is old. */
  async function compose(walk: Walk, batch: Batch, signal: AbortSignal): Promise<Publication | null> {
    const { fence, planBlob } = walk
    const nothing = {
      outputFileId: null,
      errorFileId: null,
      files: [],
      objects: [],
      objectsExpireAt: null,
      layout: null,
      sums: noSums,
    }
    if (planBlob === null || batch.inProgressAt === null)
      return { ...nothing, ending: batch.status === 'cancelling' ? 'cancelled' : 'expired' }
    if (!(await closeShards(db, batch.id, fence))) return null
    const sizes = await resultSizes(db, batch.id)
    const never = batch.total - sizes.ended
    const ending: Terminal = batch.status === 'cancelling' ? 'cancelled' : never > 0 ? 'expired' : 'completed'
    const why = ending === 'cancelled' ? 'cancelled' : 'expired'
    const results: Results = {
      output: sizes.outputBytes > 0 ? (s) => outputLines({ db, scratch }, batch.id, s) : null,
      error: sizes.errorBytes > 0 || never > 0 ? (s) => errorLines({ db, scratch }, batch.id, planBlob, why, s) : null,
      whole: never === 0,
      bytes: { output: sizes.outputBytes, ...(never === 0 && { error: sizes.errorBytes }) },
    }
    const elsewhere = walk.troubleSince !== null && clock.now() - walk.troubleSince >= elsewhereAfterMs
    const placed =
      !isAddress(batch.input) || elsewhere
        ? await composeFiles(parts, batch, fence, results, signal)
        : await composeObjects(parts, batch, fence, results, signal)
    return placed && { ...placed, ending, sums: sizes.sums, layout: await layoutOfShards(db, batch.id) }
  }

  return {
    async run(signal) {
      const ends = [db.listen('compose', () => bell.ring()), db.listen('change', () => bell.ring())]
      await forever('compose', step, { clock, log, bell, random: parts.random }, signal)
      for (const end of ends) end()
      await Promise.all(walking.values())
    },
  }
}
