/** One create, one batch, however often it is sent (contract D8): by its Idempotency-Key, or as the repeat of a create whose answer never arrived. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../../auth/caller.ts'
import { windowMs, type Batch } from '../../domain/batch.ts'
import { clientGone, idempotencyMismatch, noSuchBatch, overQuota } from '../../domain/errors.ts'
import type { BatchId } from '../../domain/ids.ts'
import { amountOf } from '../../domain/quota.ts'
import { findBatch, type NewBatch } from '../../store/batches.ts'
import { bodyMark, markAnswered } from '../../store/creates.ts'
import { batchView, type BatchView } from './batch-view.ts'
import type { ApiParts } from '../parts.ts'
import type { CreateBatchBody } from '../schemas.ts'

const settledMs = 1000

/** What a batch is made of. */
export type Creation = Omit<NewBatch, 'id' | 'projectId' | 'keyId' | 'createdAt' | 'expiresAt'>

/** The batch's id, and the batch itself if this call made it. */
export interface Created {
  readonly id: BatchId
  readonly made: Batch | null
}

export const createOnce = (
  parts: ApiParts,
  request: FastifyRequest<{ Body: CreateBatchBody }>,
  reply: FastifyReply,
): Promise<Created> =>
  makeOnce(parts, request, reply, request.body.idempotency_key ?? null, {
    endpoint: request.body.endpoint,
    input: request.body.input_file_id,
    completionWindow: request.body.completion_window,
    metadata: request.body.metadata ?? null,
    outputExpiresSeconds: request.body.output_expires_after?.seconds ?? null,
  })

/** The same, for whatever makes a batch. `bodyKey`: an idempotency key that stood in the body. */
export async function makeOnce(
  parts: ApiParts,
  request: Pick<FastifyRequest, 'caller' | 'headers' | 'raw'>,
  reply: FastifyReply,
  bodyKey: string | null,
  creation: Creation,
): Promise<Created> {
  const { clock, newUuid, createTogether, quotas } = parts
  const { caller } = request
  const bodyHash = hashOf(meaningOf(caller, creation))
  const byBody = `body:${bodyHash}`
  const key = request.headers['idempotency-key'] || bodyKey || undefined
  const byKey = key === undefined ? null : `key:${hashOf(key)}`
  const isRepeat = Number(request.headers['x-stainless-retry-count'] ?? 0) > 0
  if (await isGone(request)) throw clientGone()
  const spent = await quotas.overSpending(caller.projectId)
  const openAtMost = spent ? 0 : amountOf(await quotas.of(caller.projectId), 'open_batches')

  const now = clock.now()
  const batch = {
    ...creation,
    id: newUuid() as BatchId,
    projectId: caller.projectId,
    keyId: caller.keyId,
    createdAt: now,
    expiresAt: now + (windowMs(creation.completionWindow) ?? 0),
  }
  const answer = await createTogether({ batch, bodyHash, byKey, byBody, isRepeat, openAtMost })
  if (answer.kind === 'full') throw spent ?? overQuota('open_batches', openAtMost ?? 0, null)
  if (answer.kind === 'mismatch') throw idempotencyMismatch()
  const created = answer.kind === 'made' ? { id: answer.batch.id, made: answer.batch } : { id: answer.id, made: null }
  if (byKey === null) markWhenAnswered(parts, caller, bodyMark(byBody, created.id), reply)
  return created
}

/** Tells of a batch if it was made now, and gives it as clients see it. @throws 404 when it was made before and is no longer kept */
export async function tellCreated(parts: ApiParts, { projectId }: Caller, { id, made }: Created): Promise<BatchView> {
  const { db, events } = parts
  if (made) {
    events.batchCreated(made)
    db.hint('plan')
  }
  const batch = made ?? (await findBatch(db, projectId, id))
  if (!batch) throw noSuchBatch(id)
  return batchView(parts, batch)
}

/**
 * Has the client closed its connection already? What it sent is read before its FIN is, so that takes a few turns of the event loop. NOTE: without this, a create
 * that arrives after its own repeat (a server that was stopped for a while) would make a second batch that nobody waits for.
 */
async function isGone({ raw }: Pick<FastifyRequest, 'raw'>): Promise<boolean> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  return raw.socket.destroyed || raw.socket.readableEnded
}

/**
 * An answer that was written may still not have arrived: the client may have gone before, and its FIN not been read. So the answer counts as sent when the
 * connection is still open a second later; of one that is to be closed behind the answer that cannot be seen, and its end is believed. Not marked, a repeat
 * within ten minutes finds this batch.
 */
function markWhenAnswered({ db, clock }: ApiParts, caller: Caller, mark: string, reply: FastifyReply): void {
  const { socket } = reply.raw
  reply.raw.once('finish', () => {
    void clock
      .sleep(reply.raw.shouldKeepAlive ? settledMs : 0)
      .then(() =>
        !reply.raw.shouldKeepAlive || (socket && !socket.destroyed) ? markAnswered(db, caller.keyId, mark) : undefined,
      )
      .catch(() => {})
  })
}

/** What makes two creates the same: not the order of their fields, nor what is ignored. */
const meaningOf = (caller: Caller, c: Creation) => [
  caller.projectId,
  c.input,
  c.endpoint,
  c.completionWindow,
  c.metadata ? Object.entries(c.metadata).toSorted(([a], [z]) => (a < z ? -1 : 1)) : null,
  c.outputExpiresSeconds,
  ...(c.retried ? [c.retried] : []),
]

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')
