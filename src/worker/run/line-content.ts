/** Opens what a line names: a `data:` address, a file of its project, an object that is granted to it, or something on the web that anybody may fetch (contract D23). */
import { BlobMissing } from '../../blobs/blobs.ts'
import { BucketDenied, ObjectChanged, ObjectMissing } from '../../blobs/bucket.ts'
import type { Content, FetchLimits, OpenAddress } from '../../dispatch/fetch/content.ts'
import { isDataAddress, openData } from '../../dispatch/fetch/data-address.ts'
import { fetchGuarded } from '../../dispatch/fetch/guarded.ts'
import { isAddress, locate, type Located } from '../../domain/address.ts'
import { brokenOff, FetchError, notAllowed, notFound, tooLarge } from '../../domain/fetch-error.ts'
import type { FetchRules } from '../../domain/fetch-rules.ts'
import { plainName } from '../../domain/file-name.ts'
import { isFileId, type FileId, type ProjectId } from '../../domain/ids.ts'
import type { Clock } from '../../kit/clock.ts'
import { listGrants } from '../../store/buckets.ts'
import { findFile } from '../../store/files.ts'
import type { WorkerParts } from '../parts.ts'

export interface LineContentParts extends Pick<WorkerParts, 'db' | 'files' | 'openBucket'> {
  readonly rules: FetchRules
  readonly limits: FetchLimits
  readonly clock: Clock
}

const purposes: readonly string[] = ['batch', 'user_data']

export function makeOpenAddress({ db, files, openBucket, rules, limits, clock }: LineContentParts): OpenAddress {
  async function openFile(projectId: ProjectId, id: FileId, signal: AbortSignal): Promise<Content> {
    const file = await findFile(db, projectId, id)
    if (!file) throw notFound(`File ${id}`)
    if (!purposes.includes(file.purpose))
      throw notAllowed(`File ${id}`, `its purpose is '${file.purpose}'. Upload it with purpose 'user_data'`)
    if (file.bytes > limits.maxBytes) throw tooLarge(`File ${id}`, limits.maxBytes)
    const bytes = told(`file ${id}`, files.read(file.blob, { start: 0 }, signal), signal)
    return { bytes, contentType: null, name: plainName(file.filename), size: file.bytes }
  }

  async function openObject({ grant, bucket: name, key }: Located, signal: AbortSignal): Promise<Content> {
    const what = `Object '${key}' in bucket '${name}'`
    const bucket = openBucket(grant.place, name)
    const seen = await bucket.head(key).catch((error: unknown) => {
      throw meaningOf(what, error)
    })
    if (!seen) throw notFound(what)
    if (seen.bytes > limits.maxBytes) throw tooLarge(what, limits.maxBytes)
    const bytes = told(what, bucket.read(key, seen, { start: 0 }, signal), signal)
    return { bytes, contentType: null, name: plainName(key), size: seen.bytes }
  }

  return async (address, project, signal) => {
    const projectId = project as ProjectId
    if (isDataAddress(address)) return openData(address, limits.maxBytes)
    if (isFileId(address)) return openFile(projectId, address, signal)
    const located = isAddress(address) ? locate(address, await listGrants(db, projectId)) : null
    if (located) return openObject(located, signal)
    if (/^s3:/i.test(address)) throw notAllowed('The object', 'its bucket is not granted to this project')
    return fetchGuarded(address, { rules, limits, signal, clock })
  }
}

/** What a store yields is its own again when the next chunk is asked for; whoever sends it needs it longer. */
async function* told(what: string, chunks: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of chunks) yield Buffer.from(chunk)
  } catch (error) {
    throw signal.aborted ? error : meaningOf(what, error)
  }
}

/** What is not the line's own is trouble of ours, and costs it nothing: it waits until the store is there again. */
function meaningOf(what: string, error: unknown): unknown {
  if (error instanceof ObjectMissing || error instanceof BlobMissing) return notFound(what)
  if (error instanceof BucketDenied) return new FetchError('url_not_allowed', error.message)
  return error instanceof ObjectChanged ? brokenOff(what, 'it was changed meanwhile') : error
}
