/**
 * Deletes projects with everything of them. A round does what can be done and is done again until nothing is left: killed at any moment, it costs a round. Files and objects go
 * as those go whose time is over; batches are cancelled first. An hour after the first pass there is a second one, for what was written by someone who did not know yet.
 */
import { removeFolder } from '../../blobs/bucket-folder.ts'
import { isClear } from '../../domain/erasure.ts'
import { listGrants } from '../../store/buckets.ts'
import { dueErasures, endPass, forgetBatches, pressErasure, type DueErasure } from '../../store/erasures.ts'
import { endedBatches } from '../../store/sweeps.ts'
import { deleteAll } from './delete-all.ts'
import { discardLeft } from '../input.ts'
import { projectPrefix } from '../names.ts'
import type { WorkerParts } from '../parts.ts'

const atOnce = 100
const againMs = 3_600_000

type EraseParts = Pick<WorkerParts, 'db' | 'files' | 'scratch' | 'openBucket' | 'log'>

/** How many things were removed. */
export async function eraseProjects(parts: EraseParts, signal: AbortSignal): Promise<number> {
  let removed = 0
  for (const due of await dueErasures(parts.db, atOnce)) {
    if (signal.aborted) break
    removed += await eraseOne(parts, due, signal)
  }
  return removed
}

async function eraseOne(parts: EraseParts, due: DueErasure, signal: AbortSignal): Promise<number> {
  const { db, files, scratch, log } = parts
  const { projectId } = due
  if (!isClear(await pressErasure(db, due))) return 0
  for (const batch of await endedBatches(db, projectId, atOnce))
    await discardLeft(parts, batch).catch((error: unknown) =>
      log.warn('something may be left beside an object', { batch: batch.id, error }),
    )
  let removed = await deleteAll(scratch, projectPrefix(projectId))
  const forgotten = await forgetBatches(db, projectId, atOnce)
  if (forgotten === atOnce || signal.aborted) return removed + forgotten
  removed += await deleteAll(files, projectPrefix(projectId))
  for (const { place, source } of await listGrants(db, projectId))
    if (source === 'own' && place.kind === 'folder') await removeFolder(place.folder)
  if (await endPass(db, due, againMs)) log.info('a project was erased', { project: projectId, pass: due.passes + 1 })
  return removed + forgotten
}
