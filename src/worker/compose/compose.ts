/**
 * The part of a worker that composes and publishes. A batch is claimed when it is ready (see `claimComposes`); its shards are closed, where not all are done, so
 * that nothing can be added any more; its results are joined from what the rows say and written whole; one transaction publishes them. Each step can be done again by the next
 * composer: bytes follow from committed rows alone, and names are reserved before anything appears under them.
 */
import { isAddress } from '../../domain/address.ts'
import { isTerminal, type Batch } from '../../domain/batch.ts'
import type { BatchId } from '../../domain/ids.ts'
import { formatLayout } from '../../domain/layout.ts'
import { noSums } from '../../domain/usage.ts'
import { forever, makeBell } from '../../kit/forever.ts'
import { loadBatch } from '../../store/batches.ts'
import { gather, gatherReads } from '../../store/gather.ts'
import { publishBatches, type Publication, type Terminal } from '../../store/publish.ts'
import { layoutOfShards } from '../../store/result-rows.ts'
import { allShards, resultSizes, sizesOf, type ResultSizes } from '../../store/segments.ts'
import { closeShards } from '../../store/shards.ts'
import { announceUploads, areAnnounced } from '../../store/uploads.ts'
import { claimComposes, fewLines, giveBackWalk, type Walk } from '../../store/walks.ts'
import { composeFiles } from './compose-files.ts'
import { composeObjects } from './compose-objects.ts'
import { errorFile, outputFile, shardsOf, type Shards } from './joined.ts'
import type { WorkerParts } from '../parts.ts'
import type { Results } from './results.ts'
import { Abandoned, underLease } from '../walk-lease.ts'

const fewAtOnce = 32
const moreAtOnce = 4
/** How often all open batches are looked through for one that is ready; that of which this worker has just finished a shard is tried at once. */
const scanEveryMs = 500
/** After a scan that gave all that there was, so many times the time that it took: with thousands of open batches nothing costs the database more. */
const restOfScans = 20
const restAtMostMs = 2000
/** On a cancel or at the end of the window, how long holders have to save and give back. */
const holdersGraceMs = 1500
/** D27: results that cannot get into the bucket for so long are published as files. */
const elsewhereAfterMs = 24 * 3_600_000

const restAfter = (from: number, to: number): number =>
  Math.max(from + scanEveryMs, to + Math.min(restAtMostMs, (to - from) * restOfScans))

export interface Composer {
  /** A shard of this batch was finished here: it may be ready. */
  ripe(id: BatchId): void
  run(signal: AbortSignal): Promise<void>
}

/** Of a batch, by its lines. */
type Size = 'few' | 'more'

interface Found {
  readonly sizes: ResultSizes
  readonly shards: Shards
  readonly layout: () => Promise<string>
}

export function makeComposer(parts: WorkerParts): Composer {
  const { db, scratch, clock, log, events, owner, settings } = parts
  const bell = makeBell(clock)
  const walking = new Map<string, { readonly size: Size; readonly ended: Promise<void> }>()
  const ripened = new Set<BatchId>()
  let scanAt = -Infinity
  const publish = gather(db, publishBatches, fewAtOnce)
  const loadShards = gatherReads(db, allShards, fewAtOnce)
  const isAnnounced = gatherReads(db, areAnnounced, fewAtOnce)
  const announce = gather(db, announceUploads, fewAtOnce)

  const walkingOf = (size: Size) => [...walking.values()].filter((walk) => walk.size === size).length

  async function step(signal: AbortSignal): Promise<number> {
    const room = { few: fewAtOnce - walkingOf('few'), more: moreAtOnce - walkingOf('more') }
    if (room.few === 0) return scanEveryMs
    const now = clock.monotonic()
    const scanning = now >= scanAt
    const among = scanning ? undefined : [...ripened].filter((id) => !walking.has(id)).slice(0, room.few)
    if (among?.length === 0) return scanAt - now
    if (scanning) scanAt = now + scanEveryMs
    for (const id of among ?? []) ripened.delete(id)
    const claim = { leaseMs: settings.leaseMs, graceMs: holdersGraceMs, ...room, among }
    const walks = await claimComposes(db, owner, claim, scanning ? [...walking.keys()] : [])
    for (const { batch } of walks) ripened.delete(batch.id)
    begin(walks, signal)
    if (scanning && scanAt > now) scanAt = restAfter(now, clock.monotonic())
    if (scanning && walks.length >= room.few && ripened.size === 0) scanAt = -Infinity // NOTE: there may be more that somebody has left
    return ripened.size > 0 ? 1 : scanAt - now
  }

  function begin(walks: readonly Walk[], signal: AbortSignal): void {
    for (const walk of walks) {
      const size = walk.batch.total <= fewLines ? 'few' : 'more'
      const ended = walkCompose(walk, signal).finally(() => {
        if (size === 'more' && walkingOf(size) === moreAtOnce) scanAt = -Infinity // NOTE: another may have been ripe while there was no room
        walking.delete(walk.batch.id)
        bell.ring()
      })
      walking.set(walk.batch.id, { size, ended })
    }
  }

  async function walkCompose(walk: Walk, outer: AbortSignal): Promise<void> {
    const { batch, fence } = walk
    const startedAt = clock.monotonic()
    try {
      await underLease({ db, clock, settings }, { batch, fence }, outer, async (signal) => {
        for (
          let seen: Batch | null = batch;
          seen && !isTerminal(seen.status) && !signal.aborted;
          seen = await loadBatch(db, batch.id)
        ) {
          const publication = await compose(walk, seen, signal)
          if (publication && (await publish({ batch: seen, fence, what: publication }))) {
            events.batchPublished(seen, publication.ending, publication.sums, clock.monotonic() - startedAt)
            if (publication.ending !== 'completed') db.hint('change')
            return
          }
          if (!publication || seen.status === 'cancelling') return // NOTE: our fence is old: another composer has it
        }
        signal.throwIfAborted() // NOTE: it stopped before it had ended anything: the batch is to be given back
      })
    } catch (error) {
      if (error instanceof Abandoned) return
      const since = walk.troubleSince === null ? 0 : clock.now() - walk.troubleSince
      if (outer.aborted) {
        await giveBackWalk(db, batch.id, fence, 0).catch(() => {}) // NOTE: trouble that there was is not over
        return
      }
      events.composeFailed(batch, error)
      const trouble = `results cannot be written: ${error instanceof Error ? error.message : 'unknown'}`
      await giveBackWalk(db, batch.id, fence, Math.min(300_000, Math.max(1000, since / 4)), trouble).catch(() => {})
    }
  }

  /** What there is of a batch with few lines is read once; of another page by page, whenever it is needed. */
  async function findResults({ id, total }: Batch): Promise<Found> {
    if (total > fewLines)
      return { sizes: await resultSizes(db, id), shards: () => shardsOf(db, id), layout: () => layoutOfShards(db, id) }
    const few = await loadShards(id)
    const layout = formatLayout(
      few.map(({ segments }) => ({
        output: segments.reduce((n, s) => n + s.outputBytes, 0),
        error: segments.reduce((n, s) => n + s.errorBytes, 0),
      })),
    )
    return { sizes: sizesOf(few), shards: () => few, layout: async () => layout }
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
    if (batch.inProgressAt === null) return { ...nothing, ending: batch.status === 'cancelling' ? 'cancelled' : 'expired' }
    const found = await findResults(batch)
    if (found.sizes.open && !(await closeShards(db, batch.id, fence))) return null
    const { sizes, shards, layout } = found.sizes.open ? await findResults(batch) : found
    const never = batch.total - sizes.ended
    const ending: Terminal = batch.status === 'cancelling' ? 'cancelled' : never > 0 ? 'expired' : 'completed'
    const why = ending === 'cancelled' ? 'cancelled' : 'expired'
    const left = never > 0 ? ({ batchId: batch.id, planBlob, why } as const) : null
    const results: Results = {
      output: sizes.outputBytes > 0 ? outputFile(scratch, shards) : null,
      error: sizes.errorBytes > 0 || left ? errorFile(scratch, shards, left) : null,
      whole: never === 0,
      bytes: { output: sizes.outputBytes, ...(never === 0 && { error: sizes.errorBytes }) },
    }
    const elsewhere = walk.troubleSince !== null && clock.now() - walk.troubleSince >= elsewhereAfterMs
    const placed =
      !isAddress(batch.input) || elsewhere
        ? await composeFiles({ ...parts, announce, isAnnounced }, batch, fence, results, signal)
        : await composeObjects(parts, batch, fence, results, signal)
    return placed && { ...placed, ending, sums: sizes.sums, layout: await layout() }
  }

  return {
    ripe(id) {
      ripened.add(id)
      bell.ring()
    },
    async run(signal) {
      const scan = () => {
        scanAt = -Infinity
        bell.ring()
      }
      const end = db.listen('compose', scan)
      await forever('compose', step, { clock, log, bell, random: parts.random }, signal)
      end()
      await Promise.all([...walking.values()].map((w) => w.ended))
    },
  }
}
