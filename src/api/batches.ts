import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../auth/caller.ts'
import { isAddress, locate } from '../domain/address.ts'
import { windowMs } from '../domain/batch.ts'
import { endpoints } from '../domain/endpoints.ts'
import { ApiError, badAddress, cannotCancel, idempotencyMismatch, invalid, invalidValue, noSuchBatch } from '../domain/errors.ts'
import { isFileId, isUuid, parseBatchId, type BatchId } from '../domain/ids.ts'
import { batchWire, listWire } from '../domain/wire.ts'
import { cancelBatch, findBatch, insertBatch, listBatches } from '../store/batches.ts'
import { listGrants } from '../store/buckets.ts'
import { findCreate, markAnswered, putCreate, type Create } from '../store/creates.ts'
import type { ApiParts } from './parts.ts'
import { parseLimit, type PageQuery } from './query.ts'
import { batch, createBatchBody, idParams, listOf, pageQuery, type CreateBatchBody } from './schemas.ts'

const idempotentMs = 24 * 3_600_000
const repeatedMs = 600_000

export function batchRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { db, clock, events } = parts

  app.post<{ Body: CreateBatchBody }>(
    '/batches',
    { schema: { summary: 'Create a batch', body: createBatchBody, response: { 200: batch } } },
    async (request, reply) => {
      const { caller, body } = request
      checkCreate(parts, body)
      await checkInput(parts, caller, body.input_file_id)
      const header = request.headers['idempotency-key']
      const idempotencyKey = (typeof header === 'string' ? header : undefined) ?? body.idempotency_key
      const repeated = Number(request.headers['x-stainless-retry-count'] ?? 0) > 0
      await stillThere(request)
      const id = await createOnce(parts, caller, body, { idempotencyKey, repeated }, reply)
      const created = await findBatch(db, caller.projectId, id)
      return created && batchWire(created)
    },
  )

  app.get<{ Querystring: PageQuery }>(
    '/batches',
    { schema: { summary: 'List batches, newest first', querystring: pageQuery, response: { 200: listOf(batch) } } },
    async (request) => {
      const { projectId } = request.caller
      const limit = parseLimit(request.query.limit, { most: 100, otherwise: 20 })
      const after = request.query.after === undefined ? null : await existing(parts, request.caller, request.query.after)
      const found = await listBatches(db, projectId, after, limit + 1)
      return listWire(found.slice(0, limit).map(batchWire), found.length > limit)
    },
  )

  app.get<{ Params: { id: string } }>(
    '/batches/:id',
    { schema: { summary: 'Get a batch', params: idParams, response: { 200: batch } } },
    async (request) => {
      const found = await findBatch(db, request.caller.projectId, parseBatchId(request.params.id))
      if (!found) throw noSuchBatch(request.params.id)
      return batchWire(found)
    },
  )

  app.post<{ Params: { id: string } }>(
    '/batches/:id/cancel',
    { schema: { summary: 'Cancel a batch', params: idParams, response: { 200: batch } } },
    async (request) => {
      const { projectId } = request.caller
      const id = parseBatchId(request.params.id)
      if (await cancelBatch(db, projectId, id, clock.now())) {
        events.cancelRequested(id)
        db.hint('change')
        db.hint('compose')
      }
      const found = await findBatch(db, projectId, id)
      if (!found) throw noSuchBatch(request.params.id)
      if (found.status !== 'cancelling' && found.status !== 'cancelled') throw cannotCancel(found.status)
      return batchWire(found)
    },
  )
}

function checkCreate({ limits }: ApiParts, body: CreateBatchBody): void {
  const supported = endpoints.map((e) => e.url)
  if (!supported.includes(body.endpoint)) throw invalidValue('endpoint', body.endpoint, supported)
  if (!limits.windows.includes(body.completion_window) || windowMs(body.completion_window) === null)
    throw invalidValue('completion_window', body.completion_window, limits.windows)
}

/** D4: an address is refused here unless it is in a bucket of the project; whether the file or object is there, the plan finds out. */
async function checkInput({ db }: ApiParts, caller: Caller, input: string): Promise<void> {
  if (isAddress(input)) {
    if (!locate(input, await listGrants(db, caller.projectId))) throw badAddress()
  } else if (!isFileId(input) && !/^file-[\w-]*$/.test(input)) throw badAddress()
}

/** Creates the batch, or finds the one that the same create made before (D8). Looking and inserting are one transaction: two at once make one batch. */
async function createOnce(
  parts: ApiParts,
  caller: Caller,
  body: CreateBatchBody,
  { idempotencyKey, repeated }: { idempotencyKey: string | undefined; repeated: boolean },
  reply: FastifyReply,
): Promise<BatchId> {
  const { db, clock } = parts
  const now = clock.now()
  const bodyHash = hashOf([caller.projectId, body])
  const byKey = idempotencyKey === undefined ? null : `key:${hashOf(idempotencyKey)}`
  const byBody = `body:${bodyHash}`
  const make = (mark: string, batchId: BatchId): Create => ({
    keyId: caller.keyId,
    mark,
    bodyHash,
    batchId,
    createdAt: now,
    answered: false,
  })

  const id = await db.tx(async (tx) => {
    const first = byKey === null ? null : await findCreate(tx, caller.keyId, byKey)
    if (first && now - first.createdAt < idempotentMs) {
      if (first.bodyHash !== bodyHash) throw idempotencyMismatch()
      return first.batchId
    }
    const earlier = repeated ? await findCreate(tx, caller.keyId, byBody) : null
    if (earlier && !earlier.answered && now - earlier.createdAt < repeatedMs) return earlier.batchId
    const made = parts.newUuid() as BatchId
    await insertBatch(tx, {
      id: made,
      projectId: caller.projectId,
      keyId: caller.keyId,
      endpoint: body.endpoint,
      input: body.input_file_id,
      completionWindow: body.completion_window,
      metadata: body.metadata ?? null,
      outputExpiresSeconds: body.output_expires_after?.seconds ?? null,
      createdAt: now,
      expiresAt: now + (windowMs(body.completion_window) ?? 0),
    })
    await putCreate(tx, make(byBody, made))
    if (byKey !== null) await putCreate(tx, make(byKey, made))
    return made
  })
  parts.events.batchCreated({ id, projectId: caller.projectId, endpoint: body.endpoint })
  db.hint('plan')
  markWhenAnswered(parts, caller, byBody, reply)
  return id
}

/** A client that gave up before its batch was made has asked again elsewhere: for it nothing is made. Its request and its FIN are read in two turns of the event loop. */
async function stillThere({ raw }: FastifyRequest): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  if (raw.socket.destroyed || raw.socket.readableEnded)
    throw new ApiError(499, null, 'The client went away before its batch was made.')
}

const settledMs = 1000

/**
 * An answer that was written may still not have arrived: the client may have gone before, and its FIN not been read. So the answer counts as sent when the
 * connection is still open a second later. Not marked, a repeat within ten minutes finds this batch: harmless.
 */
function markWhenAnswered({ db }: ApiParts, caller: Caller, mark: string, reply: FastifyReply): void {
  const { socket } = reply.raw
  reply.raw.once('finish', () => {
    setTimeout(() => {
      if (socket && !socket.destroyed) void markAnswered(db, caller.keyId, mark).catch(() => {})
    }, settledMs).unref()
  })
}

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')

async function existing({ db }: ApiParts, caller: Caller, after: string): Promise<BatchId> {
  const found = isUuid(after) ? await findBatch(db, caller.projectId, after as BatchId) : null
  if (!found)
    throw invalid(
      'after',
      `Invalid 'after': there is no batch with id '${after.slice(0, 100)}'. Give the last id of the page before.`,
    )
  return found.id
}
