import { BlobMissing } from '../../blobs/blobs.ts'
import { resultsGone } from '../../domain/errors.ts'
import type { BatchId, ProjectId } from '../../domain/ids.ts'
import { isTerminal } from '../../domain/batch.ts'
import { isLeft, layOut, lookAtLaid } from '../../domain/layout.ts'
import type { Cursor } from '../../domain/result-cursor.ts'
import { positionsOf, type ResultKind, type ShardResults, type Stretch } from '../../domain/result-page.ts'
import { publishedOutputs } from '../../store/outputs.ts'
import { findStanding, loadBody, loadLayout, lookAtShards, parseRowPlace, type Standing } from '../../store/result-rows.ts'
import { findContent, type Content } from '../files/find-content.ts'
import type { ApiParts } from '../parts.ts'

/** Where the results of a batch lie now: in scratch while it runs, in its two files when it has ended. */
export interface Shelf {
  readonly kind: Cursor['kind']
  look(cursor: Cursor): Promise<ShardResults[]>
  /** @throws what `cannotBeRead` knows, when they lie elsewhere meanwhile, or are gone */
  read(stretch: Stretch): AsyncIterable<Buffer>
  /** Is there anything behind this position, or may there be? */
  isLeft(cursor: Cursor): boolean
}

/** null: the project has no such batch. @throws {ApiError} 410, when a file of an ended batch is gone */
export async function openShelf(parts: ApiParts, projectId: ProjectId, id: BatchId): Promise<Shelf | null> {
  const standing = await findStanding(parts.db, projectId, id)
  if (!standing) return null
  return isTerminal(standing.status) ? endedShelf(parts, projectId, id, standing) : runningShelf(parts, projectId, id)
}

const runningShelf = ({ db, scratch }: ApiParts, projectId: ProjectId, id: BatchId): Shelf => ({
  kind: 'shards',
  look: (cursor) => lookAtShards(db, projectId, id, positionsOf(cursor)),
  read({ name, start, bytes }) {
    const at = parseRowPlace(name)
    return at ? fromRow(() => loadBody(db, projectId, id, at), start, bytes) : scratch.read(name, { start, bytes })
  },
  isLeft: () => true,
})

async function* fromRow(load: () => Promise<Buffer | null>, start: number, bytes: number): AsyncGenerator<Buffer> {
  const body = await load()
  if (body === null) throw new BlobMissing('The row of these results has gone.')
  yield body.subarray(start, start + bytes)
}

async function endedShelf(parts: ApiParts, projectId: ProjectId, id: BatchId, standing: Standing): Promise<Shelf> {
  const layout = await loadLayout(parts.db, projectId, id)
  const contents = {
    output: await published(parts, projectId, id, 'output', standing.outputFileId),
    error: await published(parts, projectId, id, 'error', standing.errorFileId),
  }
  const laid = layOut(layout ?? [], { output: contents.output?.bytes ?? 0, error: contents.error?.bytes ?? 0 })
  return {
    kind: layout ? 'shards' : 'files',
    look: async (cursor) => lookAtLaid(laid, cursor),
    read: ({ name, start, bytes }) => contents[name as ResultKind]?.read({ start, bytes }) ?? nothing(),
    isLeft: (cursor) => isLeft(laid, cursor),
  }
}

async function* nothing(): AsyncGenerator<Buffer> {}

/** A result as it was published; null: it has none. An object that somebody has put in its place is not it. */
async function published(
  parts: ApiParts,
  projectId: ProjectId,
  id: BatchId,
  kind: ResultKind,
  fileId: string | null,
): Promise<Content | null> {
  if (fileId === null) return null
  const content = await findContent(parts, projectId, fileId)
  if (!content) throw resultsGone(kind, fileId)
  if (content.tag === null) return content
  const row = (await publishedOutputs(parts.db, projectId, id)).find((one) => one.kind === kind)
  if (row?.staged && row.staged.tag !== content.tag) throw resultsGone(kind, fileId)
  return content
}
