import type { createOnce as CreateOnce } from '../../src/api/batches/create-once.ts'
import { createOnce } from '../../src/api/batches/create-once.ts'
import { knowQuotas } from '../../src/api/admin/known-quotas.ts'
import type { ApiParts } from '../../src/api/parts.ts'
import type { Batch } from '../../src/domain/batch.ts'
import { makeFileId, makeUuids, type BatchId, type FileId, type KeyId, type ProjectId } from '../../src/domain/ids.ts'
import { cancelBatch, findBatch } from '../../src/store/batches.ts'
import { createBatches } from '../../src/store/create-batches.ts'
import { gather } from '../../src/store/gather.ts'
import { deleteFile, insertFile } from '../../src/store/files.ts'
import { announceUpload, dropUpload, endUpload, renewUploads } from '../../src/store/uploads.ts'
import type { Life } from './life.ts'
import { beginProcess, type World } from './world-parts.ts'

/** How a client marks its creates, so that one that is sent again makes no second batch. */
export interface Mark {
  readonly idempotencyKey: string | null
  readonly retries: number
}

/** One API process: what its routes do, without HTTP. Creating is the route's own code; the others are the statements of their routes, in their order. */
export interface SimApi {
  readonly life: Life
  upload(project: ProjectId, bytes: Buffer): Promise<FileId>
  create(project: ProjectId, input: string, client: number, mark: Mark, answered: () => boolean): Promise<BatchId>
  get(project: ProjectId, id: BatchId): Promise<Batch | null>
  cancel(project: ProjectId, id: BatchId): Promise<void>
  deleteFile(project: ProjectId, id: FileId): Promise<void>
}

const announcedMs = 600_000
const keptMs = 30 * 86_400_000

export function startApi(world: World, name: string): SimApi {
  const process = beginProcess(world, name)
  const { life, db, files, clock, randomBytes } = process
  const newUuid = makeUuids(() => clock.now(), randomBytes)
  const createTogether = gather(db, createBatches, 10)
  const quotas = knowQuotas({ db, clock, prices: { currency: 'eur', percent: 100, prices: [] } })
  world.story.tell(name, 'BEGINS')
  return {
    life,
    async upload(projectId, bytes) {
      const id = makeFileId(randomBytes)
      const blob = `${projectId}/${id}`
      await announceUpload(db, { blob, owner: id, leaseMs: announcedMs })
      try {
        await files.put(blob, bytes)
        const createdAt = clock.now()
        const file = { id, projectId, purpose: 'batch', filename: 'in.jsonl', bytes: bytes.length, blob, createdAt }
        await db.tx(async (tx) => {
          await insertFile(tx, { ...file, expiresAt: createdAt + keptMs, batchId: null })
          if (!(await endUpload(tx, blob, id))) throw new Error('the upload stood still for too long')
        })
        return id
      } catch (error) {
        await renewUploads(db, id, 0) // NOTE: the commit may have been made, and its answer lost: who deletes the blob must have its row, as the janitor will
        throw error
      }
    },
    async create(projectId, input, client, { idempotencyKey, retries }, answered) {
      const finished: (() => void)[] = []
      const socket = { destroyed: false, readableEnded: false }
      const request = {
        caller: { projectId, keyId: `key of ${projectId}` as KeyId },
        body: {
          input_file_id: input,
          endpoint: '/v1/chat/completions',
          completion_window: '24h',
          metadata: { client: String(client) },
        },
        headers: {
          ...(idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey }),
          'x-stainless-retry-count': String(retries),
        },
        raw: { socket },
      }
      const reply = { raw: { socket, shouldKeepAlive: true, once: (_: string, tell: () => void) => void finished.push(tell) } }
      const { id, made } = await createOnce(
        { db, clock, newUuid, createTogether, quotas } as ApiParts,
        request as unknown as Parameters<typeof CreateOnce>[1],
        reply as unknown as Parameters<typeof CreateOnce>[2],
      )
      if (made) db.hint('plan')
      if (answered()) for (const tell of finished) tell()
      return id
    },
    get: (project, id) => findBatch(db, project, id),
    async cancel(project, id) {
      if (!(await cancelBatch(db, project, id))) return
      db.hint('change')
      db.hint('compose')
    },
    async deleteFile(project, id) {
      const deleted = await db.tx(async (tx) => {
        const row = await deleteFile(tx, project, id)
        if (row) await announceUpload(tx, { blob: row.blob, owner: 'deleted', leaseMs: 0 })
        return row
      })
      if (!deleted) return
      await files.delete([deleted.blob])
      await dropUpload(db, deleted.blob)
    },
  }
}
