import { BlobMissing } from '../blobs/blobs.ts'
import { BucketDenied, ObjectChanged, ObjectMissing } from '../blobs/bucket.ts'
import type { Batch, PlanError } from '../domain/batch.ts'
import { shown } from '../domain/line.ts'
import { resultIdPrefix } from '../domain/result.ts'
import { joinSignals } from '../kit/abort.ts'
import { forever, makeBell } from '../kit/forever.ts'
import { countWorkers } from '../store/workers.ts'
import { findFiles } from '../store/files.ts'
import { gather, gatherReads } from '../store/gather.ts'
import { cancelledAmong, claimPlans, giveBackWalk, refuseBatch, startBatches, type Walk } from '../store/walks.ts'
import { findErrors, findInput } from './input.ts'
import { planName } from './names.ts'
import type { WorkerParts } from './parts.ts'
import type { PlanResult } from './plan-spec.ts'
import { underLease } from './walk-lease.ts'

/** More wait in the planner's own queue, where small files pass big ones. */
const walksAtOnce = 64
const startsAtOnce = 32

/** The part of a worker that plans: claims batches that wait for it, has them planned off this thread, and starts or refuses them. */
export function makePlanWalker(parts: WorkerParts): { run(signal: AbortSignal): Promise<void> } {
  const { db, clock, log, events, owner, settings } = parts
  const bell = makeBell(clock)
  const walking = new Map<string, { controller: AbortController; ended: Promise<void> }>()
  let moreWait = false
  const lookUp = gatherReads(db, findFiles, startsAtOnce)
  const start = gather(db, startBatches, startsAtOnce)

  async function step(signal: AbortSignal): Promise<number> {
    const room = walksAtOnce - walking.size
    const walks = room === 0 ? [] : await claimPlans(db, owner, settings.leaseMs, room, [...walking.keys()])
    moreWait = walks.length === room
    for (const walk of walks) {
      const controller = new AbortController()
      const joined = joinSignals(signal, controller.signal)
      const ended = walkPlan(walk, joined.signal).finally(() => {
        joined.leave()
        walking.delete(walk.batch.id)
        if (moreWait && walking.size <= walksAtOnce / 2) bell.ring()
      })
      walking.set(walk.batch.id, { controller, ended })
    }
    return 1000
  }

  async function walkPlan({ batch, fence }: Walk, outer: AbortSignal): Promise<void> {
    const startedAt = clock.monotonic()
    try {
      await underLease(
        { db, clock, leaseMs: settings.leaseMs, renewMs: settings.renewMs },
        batch.id,
        fence,
        outer,
        async (signal) => {
          const result = await planInput({ batch, fence }, signal)
          if (await conclude(batch, fence, result, clock.monotonic() - startedAt)) return
          await giveBackWalk(db, batch.id, fence, 0, null) // NOTE: a cancel came first; whoever composes ends it
          db.hint('compose')
        },
      )
    } catch (error) {
      const stopping = outer.aborted
      if (!stopping) log.warn('a plan failed; it is tried again', { batch: batch.id, error })
      await giveBackWalk(
        db,
        batch.id,
        fence,
        stopping ? 0 : 2000,
        stopping ? null : 'planning failed: see the log of the server',
      ).catch(() => {})
      if (stopping) db.hint('compose')
    }
  }

  /** False: the batch waits for a plan no longer, or the fence is old. */
  async function conclude(batch: Batch, fence: number, result: PlanResult & { inputTag?: string }, ms: number): Promise<boolean> {
    if (result.kind === 'refused') {
      const refused = await refuseBatch(db, batch.id, fence, result.errors)
      if (refused) events.batchRefused(batch, result.errors)
      return refused
    }
    const { lines, model, shards } = result
    const blob = shards.every(({ body }) => body !== undefined) ? null : planName(batch.projectId, batch.id, fence)
    const started = await start({ id: batch.id, fence, plan: { ...result, blob } })
    if (!started) return false
    events.batchPlanned(batch, { lines, model, shards: shards.length, ms })
    db.hint('run')
    return true
  }

  async function planInput(
    { batch, fence }: Pick<Walk, 'batch' | 'fence'>,
    signal: AbortSignal,
  ): Promise<PlanResult & { inputTag?: string }> {
    const input = await findInput({ ...parts, lookUp }, batch, fence)
    if (input.kind === 'refused') return { kind: 'refused', errors: [input.error] }
    const { retried } = batch
    const short = !retried && isShortInput(input)
    try {
      const failed = retried && (await findErrors(parts, batch, retried))
      if (failed?.kind === 'refused') return { kind: 'refused', errors: [failed.error] }
      const result = await parts.planner.plan(
        {
          input: input.source,
          gzip: input.gzip,
          retry: failed && retried && { errors: failed.source, prefix: resultIdPrefix(retried.of), only: retried.only },
          target: { place: parts.scratchPlace, name: planName(batch.projectId, batch.id, fence) },
          endpoint: batch.endpoint,
          maxLines: settings.maxLines,
          maxFileBytes: settings.maxFileBytes,
          maxInputs: settings.maxInputs,
          maxLineBytes: settings.maxLineBytes,
          workers: settings.fleet && !short ? Math.max(1, await countWorkers(db)) : 1,
          shardLines: settings.shardLines,
          shardBytes: settings.shardBytes,
          short,
        },
        input.bytes,
        signal,
      )
      const unknown = result.kind === 'planned' && unknownModel(result.model)
      if (unknown) return { kind: 'refused', errors: [modelNotFound(result.model, result.modelLine)] }
      return input.source.kind === 'object' ? { ...result, inputTag: input.source.seen.tag } : result
    } catch (error) {
      if (error instanceof ObjectChanged)
        return {
          kind: 'refused',
          errors: [
            wrongInput(
              'input_modified',
              `The object ${batch.input} was changed while it was read. Create the batch again when it is complete.`,
            ),
          ],
        }
      if (error instanceof BlobMissing)
        return {
          kind: 'refused',
          errors: [{ ...wrongInput('invalid_request', `Cannot find file ${batch.input}.`), param: 'file_id' }],
        }
      if (error instanceof ObjectMissing)
        return {
          kind: 'refused',
          errors: [wrongInput('invalid_request', `The object ${batch.input} was deleted while it was read.`)],
        }
      if (error instanceof BucketDenied) return { kind: 'refused', errors: [wrongInput('input_no_permissions', error.message)] }
      throw error
    }
  }

  /** NOTE: a planned line is shorter than the line of the input that it was. */
  const isShortInput = ({ bytes, gzip }: { readonly bytes: number; readonly gzip: boolean }): boolean =>
    !gzip && bytes <= settings.shortBytes

  /** Said only when every backend has told its models and none has it: while one is away, the batch waits (design 9). */
  function unknownModel(model: string): boolean {
    const backends = parts.dispatcher.backends()
    return backends.length > 0 && backends.every((b) => b.models !== null && !b.models.includes(model))
  }

  /** A cancel (or the end of the window) while a plan is being made ends the making. */
  async function stopCancelled(): Promise<void> {
    for (const id of await cancelledAmong(db, [...walking.keys()])) walking.get(id)?.controller.abort()
  }

  return {
    async run(signal) {
      const ends = [db.listen('plan', () => bell.ring()), db.listen('change', () => void stopCancelled().catch(() => {}))]
      await forever('plan', step, { clock, log, bell, random: parts.random }, signal)
      for (const end of ends) end()
      await Promise.all([...walking.values()].map((w) => w.ended))
    },
  }
}

const wrongInput = (code: string, message: string): PlanError => ({ code, message, param: 'input_file_id', line: null })
const modelNotFound = (model: string, line: number): PlanError => ({
  code: 'model_not_found',
  message: `The provided model '${shown(model)}' is not supported by the Batch API.`,
  param: 'body.model',
  line,
})
