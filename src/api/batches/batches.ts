import type { FastifyInstance } from 'fastify'
import type { Caller } from '../../auth/caller.ts'
import { isAddress, locate } from '../../domain/address.ts'
import { windowMs } from '../../domain/batch.ts'
import { badAddress, cannotCancel, invalidValue, noSuchAfter, noSuchBatch } from '../../domain/errors.ts'
import { isUuid, parseBatchId, type BatchId } from '../../domain/ids.ts'
import { listWire } from '../../domain/wire.ts'
import { cancelBatch, findBatch, findBatches, listBatches } from '../../store/batches.ts'
import { gatherReads } from '../../store/gather.ts'
import { listGrants } from '../../store/buckets.ts'
import { checkInputRights, does } from '../guard/allowed.ts'
import { makeDryRuns } from './dry-run.ts'
import { batchView } from './batch-view.ts'
import { createOnce, tellCreated } from './create-once.ts'
import type { ApiParts } from '../parts.ts'
import { parseLimit, type PageQuery } from '../query.ts'
import {
  batch,
  idParams,
  listOf,
  offeredBatchBody,
  batchesQuery,
  createdOrDry,
  createQuery,
  type CreateBatchBody,
  type CreateQuery,
} from '../schemas.ts'

const getsAtOnce = 50

export function batchRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { db, events } = parts
  const findTogether = gatherReads(db, findBatches, getsAtOnce)

  const dryRunOf = makeDryRuns(parts)

  app.post<{ Body: CreateBatchBody; Querystring: CreateQuery }>(
    '/batches',
    {
      config: does('batches.create'),
      schema: {
        summary: 'Create a batch',
        body: offeredBatchBody(parts.limits),
        querystring: createQuery,
        response: { 200: createdOrDry },
      },
    },
    async (request, reply) => {
      const { caller, body } = request
      checkCreate(parts, body)
      checkInputRights(request, { input: body.input_file_id, endpoint: body.endpoint }, parts.limits)
      await checkInput(parts, caller, body.input_file_id)
      if (request.query.dry_run === 'true') return dryRunOf(request)
      return tellCreated(parts, caller, await createOnce(parts, request, reply))
    },
  )

  app.get<{ Querystring: PageQuery }>(
    '/batches',
    {
      config: does('batches.list'),
      schema: { summary: 'List batches, newest first', querystring: batchesQuery, response: { 200: listOf(batch) } },
    },
    async (request) => {
      const { projectId } = request.caller
      const limit = parseLimit(request.query.limit, { most: 100, otherwise: 20 })
      const after = request.query.after === undefined ? null : await existing(parts, request.caller, request.query.after)
      const found = await listBatches(db, projectId, after, limit + 1)
      return listWire(
        found.slice(0, limit).map((one) => batchView(parts, one)),
        found.length > limit,
      )
    },
  )

  app.get<{ Params: { id: string } }>(
    '/batches/:id',
    { config: does('batches.get'), schema: { summary: 'Get a batch', params: idParams, response: { 200: batch } } },
    async (request) => {
      const found = await findTogether({ projectId: request.caller.projectId, id: parseBatchId(request.params.id) })
      if (!found) throw noSuchBatch(request.params.id)
      return batchView(parts, found)
    },
  )

  app.post<{ Params: { id: string } }>(
    '/batches/:id/cancel',
    { config: does('batches.cancel'), schema: { summary: 'Cancel a batch', params: idParams, response: { 200: batch } } },
    async (request) => {
      const { projectId } = request.caller
      const id = parseBatchId(request.params.id)
      if (await cancelBatch(db, projectId, id)) {
        events.cancelRequested(id)
        db.hint('change')
        db.hint('compose')
      }
      const found = await findBatch(db, projectId, id)
      if (!found) throw noSuchBatch(request.params.id)
      if (found.status !== 'cancelling' && found.status !== 'cancelled') throw cannotCancel(found.status)
      return batchView(parts, found)
    },
  )
}

function checkCreate({ limits }: ApiParts, body: CreateBatchBody): void {
  if (!limits.endpoints.includes(body.endpoint)) throw invalidValue('endpoint', body.endpoint, limits.endpoints)
  if (!limits.windows.includes(body.completion_window) || windowMs(body.completion_window) === null)
    throw invalidValue('completion_window', body.completion_window, limits.windows)
}

/** D4: an address is refused here unless it is in a bucket of the project; whether the file or object is there, the plan finds out. */
async function checkInput({ db }: ApiParts, caller: Caller, input: string): Promise<void> {
  if (isAddress(input)) {
    if (!locate(input, await listGrants(db, caller.projectId))) throw badAddress()
  } else if (!/^file-[\w-]{1,100}$/.test(input)) throw badAddress()
}

async function existing({ db }: ApiParts, caller: Caller, after: string): Promise<BatchId> {
  const found = isUuid(after) ? await findBatch(db, caller.projectId, after as BatchId) : null
  if (!found) throw noSuchAfter('batch', after)
  return found.id
}
