import type { Batch } from '../../domain/batch.ts'
import { abortUnder, over } from '../../kit/abort.ts'
import { makeFileId } from '../../domain/ids.ts'
import { resultsPurpose } from '../../domain/wire.ts'
import type { StoredFile } from '../../store/files.ts'
import { renewUploads, resultsLapsed, walkOwner, type Upload } from '../../store/uploads.ts'
import type { Placed, ResultFile, Results } from './results.ts'
import { outputBlobName } from '../names.ts'
import type { WorkerParts } from '../parts.ts'

const announcedMs = 600_000

type FileParts = WorkerParts & {
  /** Announces a blob, with those that are announced at the same time. */
  readonly announce: (upload: Upload) => Promise<void>
  /** Is it still announced? Asked with others. */
  readonly isAnnounced: (upload: Pick<Upload, 'blob' | 'owner'>) => Promise<boolean>
}

/** File in, file out (D5): each result file is a blob under this walk's fence, announced before its first byte; publishing makes it a file. */
export async function composeFiles(
  parts: FileParts,
  batch: Batch,
  fence: number,
  results: Results,
  signal: AbortSignal,
): Promise<Placed> {
  const { db, clock } = parts
  const owner = walkOwner(batch.id, fence)
  const done = new AbortController()
  const renewing = (async () => {
    while (!done.signal.aborted) {
      await clock.sleep(announcedMs / 4, done.signal)
      if (!done.signal.aborted) await renewUploads(db, owner, announcedMs).catch(() => {})
    }
  })()
  const writingAll = abortUnder(signal)
  const write = (kind: 'output' | 'error') =>
    writeFile(parts, batch, fence, owner, kind, results[kind], writingAll.signal).catch((error: unknown) => {
      writingAll.abort(error)
      throw error
    })
  try {
    const writing = [write('output'), write('error')] as const
    await Promise.allSettled(writing) // NOTE: neither may still be at it when the walk is given back
    const [output, error] = await Promise.all(writing)
    return {
      outputFileId: output?.id ?? null,
      errorFileId: error?.id ?? null,
      files: [output, error].filter((f) => f !== null),
      objects: [],
      objectsExpireAt: null,
    }
  } finally {
    done.abort(over)
    writingAll.leave()
    await renewing
  }
}

async function writeFile(
  { files, scratch, clock, randomBytes, settings, announce, isAnnounced }: FileParts,
  batch: Batch,
  fence: number,
  owner: string,
  kind: 'output' | 'error',
  result: ResultFile | null,
  signal: AbortSignal,
): Promise<StoredFile | null> {
  if (!result) return null
  const id = makeFileId(randomBytes)
  const blob = outputBlobName(batch.projectId, id, fence)
  await announce({ blob, owner, leaseMs: announcedMs })
  const stretches = await result.stretches()
  const bytes = stretches
    ? await files.compose(blob, stretches, scratch, signal)
    : await files.put(blob, result.stream(signal), signal)
  if (!(await isAnnounced({ blob, owner }))) {
    await files.delete([blob]) // NOTE: the janitor has been at it before it was there
    throw resultsLapsed()
  }
  const createdAt = clock.now()
  const keptMs = batch.outputExpiresSeconds === null ? settings.outputFileMs : batch.outputExpiresSeconds * 1000
  return {
    id,
    projectId: batch.projectId,
    purpose: resultsPurpose,
    filename: `${batch.id}_${kind}.jsonl`,
    bytes,
    blob,
    createdAt,
    expiresAt: createdAt + keptMs,
    batchId: batch.id,
  }
}
