import type { FastifyInstance } from 'fastify'
import { isAddress } from '../../domain/address.ts'
import { isTerminal, type Batch } from '../../domain/batch.ts'
import { cannotRetry, noSuchBatch } from '../../domain/errors.ts'
import { isFileId, parseBatchId, type ProjectId } from '../../domain/ids.ts'
import { findBatch } from '../../store/batches.ts'
import { findFile } from '../../store/files.ts'
import { publishedOutputs } from '../../store/outputs.ts'
import { loadInputTag } from '../../store/result-rows.ts'
import { checkInputRights, does } from '../guard/allowed.ts'
import { makeOnce, tellCreated } from './create-once.ts'
import type { ApiParts } from '../parts.ts'
import { batch, idParams, mostMetadata, retryBody, type RetryBody } from '../schemas.ts'

/** A batch of the lines that failed in another one: our addition (spec: "Again, only what failed"). It is there at once; its plan picks the lines. */
export function retryRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { db } = parts

  app.post<{ Params: { id: string }; Body: RetryBody }>(
    '/batches/:id/retry',
    {
      config: does('batches.retry'),
      schema: { summary: 'Create a batch of the lines that failed', params: idParams, body: retryBody, response: { 200: batch } },
    },
    async (request, reply) => {
      const { projectId } = request.caller
      const failed = await findBatch(db, projectId, parseBatchId(request.params.id))
      if (!failed) throw noSuchBatch(request.params.id)
      checkOffered(parts, failed)
      checkInputRights(request, failed, parts.limits)
      const { codes, statuses, idempotency_key: key } = request.body ?? {}
      const created = await makeOnce(parts, request, reply, key ?? null, {
        endpoint: failed.endpoint,
        input: failed.input,
        completionWindow: failed.completionWindow,
        metadata: linked(failed),
        outputExpiresSeconds: failed.outputExpiresSeconds,
        retried: {
          of: failed.id,
          errors: await errorsOf(parts, projectId, failed),
          errorsTag: (await publishedOutputs(db, projectId, failed.id)).find((o) => o.kind === 'error')?.staged?.tag ?? null,
          inputTag: await loadInputTag(db, projectId, failed.id),
          only: { codes: codes ?? null, statuses: statuses ?? null },
        },
      })
      return tellCreated(parts, request.caller, created)
    },
  )
}

/** Metadata has 16 pairs at most: what the user gave stays, and a link that has no room is left out. */
function linked({ id, metadata }: Batch): Record<string, string> {
  const given = metadata ?? {}
  return Object.keys(given).length >= mostMetadata && !Object.hasOwn(given, 'retry_of') ? given : { ...given, retry_of: id }
}

/** The settings may have changed since the first batch was made. */
function checkOffered({ limits }: ApiParts, { endpoint, completionWindow }: Batch): void {
  if (!limits.endpoints.includes(endpoint)) throw cannotRetry(`its endpoint ${endpoint} is no longer offered`)
  if (!limits.windows.includes(completionWindow)) throw cannotRetry(`its window ${completionWindow} is no longer offered`)
}

/** The error file of a batch that can be retried. Whether objects are there, and are what they were, the plan finds out, as of any input. */
async function errorsOf({ db }: ApiParts, projectId: ProjectId, { status, input, errorFileId }: Batch): Promise<string> {
  if (status === 'failed')
    throw cannotRetry(`it failed at its check, and nothing of it ran: mend its input and create a batch of that`)
  if (!isTerminal(status)) throw cannotRetry(`it is ${status}: wait for its end, or cancel it`)
  if (errorFileId === null) throw cannotRetry('it has no error file: no line of it failed, or it ended before it ran')
  for (const [what, id] of [
    ['input', input],
    ['error file', errorFileId],
  ] as const)
    if (!isAddress(id) && !(isFileId(id) && (await findFile(db, projectId, id)))) throw cannotRetry(`its ${what} ${id} is gone`)
  return errorFileId
}
