import { BlobMissing } from '../../blobs/blobs.ts'
import { BucketDenied, ObjectChanged, ObjectMissing } from '../../blobs/bucket.ts'
import { inputError, type Batch } from '../../domain/batch.ts'
import { amountOf } from '../../domain/quota.ts'
import { resultIdPrefix } from '../../domain/result.ts'
import { orAborted } from '../../kit/abort.ts'
import { findFiles } from '../../store/files.ts'
import { gatherReads } from '../../store/gather.ts'
import { quotasOfEach } from '../../store/quotas.ts'
import { countWorkers } from '../../store/workers.ts'
import { findErrors, findInput, type OfInput } from '../input.ts'
import { planName } from '../names.ts'
import type { WorkerParts } from '../parts.ts'
import type { PlanResult } from './plan-spec.ts'

const readsAtOnce = 32

/** A batch whose plan is made under a fence. `dry`: only to see what would come of it; nothing is written anywhere. */
export interface Planned {
  readonly batch: OfInput & Pick<Batch, 'endpoint'>
  readonly fence: number
  readonly dry?: boolean
}
export type MadePlan = PlanResult & { readonly inputTag?: string }

/** Finds the input of a batch, and has it planned off this thread. What is wrong with it is an answer; what is wrong with us is thrown. */
export function makePlanMaker(parts: WorkerParts): (planned: Planned, signal: AbortSignal) => Promise<MadePlan> {
  const { db, settings } = parts
  const lookUp = gatherReads(db, findFiles, readsAtOnce)
  const boundsOf = gatherReads(db, quotasOfEach, readsAtOnce)

  async function makePlan({ batch, fence, dry = false }: Planned, signal: AbortSignal): Promise<MadePlan> {
    const input = await orAborted(findInput({ ...parts, lookUp }, batch, dry ? null : fence), signal)
    if (input.kind === 'refused') return { kind: 'refused', errors: [input.error] }
    const { retried } = batch
    const short = !retried && isShortInput(input)
    const bounds = await boundsOf(batch.projectId)
    try {
      const failed = retried && (await orAborted(findErrors(parts, batch, retried), signal))
      if (failed?.kind === 'refused') return { kind: 'refused', errors: [failed.error] }
      const result = await parts.planner.plan(
        {
          input: input.source,
          gzip: input.gzip,
          retry: failed && retried && { errors: failed.source, prefix: resultIdPrefix(retried.of), only: retried.only },
          target: dry ? null : { place: parts.scratchPlace, name: planName(batch.projectId, batch.id, fence) },
          endpoint: batch.endpoint,
          maxLines: Math.min(settings.maxLines, amountOf(bounds, 'batch_lines') ?? Infinity),
          maxFileBytes: Math.min(settings.maxFileBytes, amountOf(bounds, 'file_bytes') ?? Infinity),
          maxInputs: settings.maxInputs,
          maxLineBytes: settings.maxLineBytes,
          models: knownModels(),
          workers: settings.fleet && !short ? Math.max(1, await countWorkers(db)) : 1,
          shardLines: settings.shardLines,
          shardBytes: settings.shardBytes,
          short,
        },
        input.bytes,
        signal,
      )
      return input.source.kind === 'object' ? { ...result, inputTag: input.source.seen.tag } : result
    } catch (error) {
      if (error instanceof ObjectChanged)
        return {
          kind: 'refused',
          errors: [
            inputError(
              'input_modified',
              `The object ${batch.input} was changed while it was read. Create the batch again when it is complete.`,
            ),
          ],
        }
      if (error instanceof BlobMissing)
        return {
          kind: 'refused',
          errors: [inputError('invalid_request', `Cannot find file ${batch.input}.`, 'file_id')],
        }
      if (error instanceof ObjectMissing)
        return {
          kind: 'refused',
          errors: [inputError('invalid_request', `The object ${batch.input} was deleted while it was read.`)],
        }
      if (error instanceof BucketDenied) return { kind: 'refused', errors: [inputError('input_no_permissions', error.message)] }
      throw error
    }
  }

  /** NOTE: a planned line is shorter than the line of the input that it was. */
  const isShortInput = ({ bytes, gzip }: { readonly bytes: number; readonly gzip: boolean }): boolean =>
    !gzip && bytes <= settings.shortBytes

  /** null: there may be others. Only when every backend has told its models is one that none has refused: while one is away, the batch waits (design 9). */
  function knownModels(): readonly string[] | null {
    const told = parts.dispatcher.backends().map((b) => b.models)
    return told.length > 0 && told.every((models) => models !== null) ? told.flat() : null
  }

  return makePlan
}
