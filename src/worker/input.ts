import { BucketDenied, ObjectMissing } from '../blobs/bucket.ts'
import { isAddress, locate, type Located } from '../domain/address.ts'
import { outputKeys, outputKeysWithId } from '../domain/output-names.ts'
import { inputError, type Batch, type PlanError } from '../domain/batch.ts'
import { isFileId } from '../domain/ids.ts'
import type { Retried } from '../domain/retried.ts'
import { listGrants } from '../store/buckets.ts'
import { findFile, type FileName, type StoredFile } from '../store/files.ts'
import type { EndedBatch } from '../store/sweeps.ts'
import type { PlanSource } from './plan/plan-spec.ts'
import type { WorkerParts } from './parts.ts'

/** The input that a plan reads, or what is wrong with it as a whole. */
export type Input =
  | { readonly kind: 'found'; readonly source: PlanSource; readonly bytes: number; readonly gzip: boolean }
  | { readonly kind: 'refused'; readonly error: PlanError }

const refused = (code: string, message: string, param?: string): Input => ({
  kind: 'refused',
  error: inputError(code, message, param),
})

/** An error file of another batch, whose lines are run again; as it was written. */
export async function findErrors(
  { db, files, filesPlace, openBucket }: Pick<WorkerParts, 'db' | 'files' | 'filesPlace' | 'openBucket'>,
  { projectId }: Pick<Batch, 'projectId'>,
  { errors, errorsTag }: Retried,
): Promise<Input> {
  const gone = refused('invalid_request', `The error file ${errors} is gone, which says what is to be retried.`)
  if (!isAddress(errors)) {
    const file = isFileId(errors) ? await findFile(db, projectId, errors) : null
    if (!file || (await files.head(file.blob)) === null) return gone
    return { kind: 'found', source: { kind: 'blob', place: filesPlace, name: file.blob }, bytes: file.bytes, gzip: false }
  }
  const located = await locateInput(db, { projectId, input: errors })
  const seen = located && (await openBucket(located.grant.place, located.bucket).head(located.key))
  if (!located || !seen) return gone
  if (errorsTag !== null && seen.tag !== errorsTag)
    return refused('error_file_modified', `The error file ${errors} is not as the batch left it that is to be retried.`)
  const { grant, bucket, key } = located
  return { kind: 'found', source: { kind: 'object', place: grant.place, bucket, key, seen }, bytes: seen.bytes, gzip: false }
}

/** What of a batch its input is found by. */
export type OfInput = Pick<Batch, 'id' | 'projectId' | 'input' | 'retried'>

export interface InputParts extends Pick<WorkerParts, 'db' | 'filesPlace' | 'openBucket' | 'settings'> {
  /** Finds a file, with those that are looked for at the same time. */
  readonly lookUp: (name: FileName) => Promise<StoredFile | null>
}

/** Finds the input of a batch: a file of its project, or an object in a bucket granted to it, which must be readable and writable beside (D4). `fence` null: it is only looked at. */
export async function findInput(parts: InputParts, batch: OfInput, fence: number | null): Promise<Input> {
  return isAddress(batch.input) ? findObject(parts, batch, fence) : findUpload(parts, batch)
}

async function findUpload({ lookUp, filesPlace }: InputParts, batch: OfInput): Promise<Input> {
  const file = isFileId(batch.input) ? await lookUp({ projectId: batch.projectId, id: batch.input }) : null
  if (!file)
    return refused('invalid_request', `Cannot find file ${batch.input}, or this project does not have access to it.`, 'file_id')
  if (file.purpose !== 'batch')
    return refused(
      'invalid_request',
      `File ${batch.input} has purpose '${file.purpose}'. Upload it with purpose 'batch'.`,
      'file_id',
    )
  return {
    kind: 'found',
    source: { kind: 'blob', place: filesPlace, name: file.blob },
    bytes: file.bytes,
    gzip: false,
  }
}

async function findObject(
  { db, openBucket, settings: { suffixes } }: Pick<WorkerParts, 'db' | 'openBucket' | 'settings'>,
  batch: OfInput,
  fence: number | null,
): Promise<Input> {
  const located = await locateInput(db, batch)
  if (!located) return refused('input_no_permissions', `${batch.input}: this project may no longer use the bucket.`)
  const { grant, key } = located
  const bucket = openBucket(grant.place, located.bucket)
  try {
    if (fence !== null && fence > 1) await bucket.discardStaged(key, batch.id) // NOTE: an earlier walk may have died at its proof
    const seen = await bucket.head(key)
    if (!seen)
      return refused(
        'invalid_request',
        `Cannot find object '${key}' in bucket '${located.bucket}'. Check the key, and that the upload has ended.`,
      )
    if (batch.retried && batch.retried.inputTag !== null && batch.retried.inputTag !== seen.tag)
      return refused('input_modified', `The object ${batch.input} was changed since the batch ran that is to be retried.`)
    const results = [outputKeys(key, suffixes), outputKeysWithId(key, batch.id, suffixes)].flatMap((keys) => [
      keys.output,
      keys.error,
    ])
    if (!results.every((name) => bucket.canHold(name)))
      return refused(
        'invalid_request',
        `The name of object '${key}' is too long for its results to have theirs beside it ('${results.at(-1)}'). Give it a shorter one.`,
      )
    if (fence !== null) await bucket.proveWrite(key, batch.id)
    return {
      kind: 'found',
      source: { kind: 'object', place: grant.place, bucket: located.bucket, key, seen },
      bytes: seen.bytes,
      gzip: /\.gz$/i.test(key),
    }
  } catch (error) {
    if (error instanceof BucketDenied) return refused('input_no_permissions', error.message)
    if (error instanceof ObjectMissing)
      return refused('invalid_request', `Cannot find object '${key}' in bucket '${located.bucket}'.`)
    throw error
  }
}

/** Of a batch that has ended: a walk that died at its proof, or a composer that stood still and died, may have left something beside the object. */
export async function discardLeft({ db, openBucket }: Pick<WorkerParts, 'db' | 'openBucket'>, batch: EndedBatch): Promise<void> {
  const located = isAddress(batch.input) ? await locateInput(db, batch) : null
  if (located) await openBucket(located.grant.place, located.bucket).discardStaged(located.key, batch.id)
}

export async function locateInput(db: WorkerParts['db'], batch: Pick<Batch, 'projectId' | 'input'>): Promise<Located | null> {
  return locate(batch.input, await listGrants(db, batch.projectId))
}
