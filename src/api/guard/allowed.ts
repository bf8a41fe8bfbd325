import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Caller, WhoCalls } from '../../auth/caller.ts'
import { isAddress } from '../../domain/address.ts'
import { readsForLines } from '../../domain/endpoints.ts'
import type { Key } from '../../domain/key.ts'
import { lacksRight } from '../../domain/errors.ts'
import { inputNeeds, missingRight, operations, type Operation, type Right } from '../../domain/rights.ts'
import type { Throttle } from './rates.ts'
import { describeRoute } from '../openapi.ts'
import type { ApiLimits } from '../parts.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a route does: its rights stand in the table (domain/rights.ts). */
    operation?: Operation
  }
  interface FastifyRequest {
    caller: Caller
    /** The key that it came with, once that is known, also where it is not let in; null: none that there is. */
    calledWith: Pick<Key, 'id' | 'projectId'> | null
  }
}

export const does = (operation: Operation): { readonly operation: Operation } => ({ operation })

/** Each route of these asks who calls, whether they may and how often; one that does not say what it does is not let in. */
export function guardRoutes(routes: FastifyInstance, whoCalls: WhoCalls, throttle: Throttle): void {
  routes.addHook('onRoute', (route) => {
    if (!route.config?.operation) throw new Error(`the route ${route.url} does not say which operation it is`)
    describeRoute(route)
  })
  routes.addHook('onRequest', async (request, reply) => {
    const { project_id: path = null } = request.params as { project_id?: string }
    const header = request.headers['openai-project']
    const claim = { authorization: request.headers.authorization, path, header: header?.toString() }
    request.caller = await whoCalls(claim, (key) => (request.calledWith = key))
    const { operation } = request.routeOptions.config
    if (!operation) return
    await throttle(request.caller, operation, reply)
    checkRights(request, operations[operation])
  })
}

/** Of who makes a batch of this input, beside the right to make one. @throws 403 */
export function checkInputRights(
  request: Pick<FastifyRequest, 'caller'>,
  { input, endpoint }: { readonly input: string; readonly endpoint: string },
  { inlinesImages }: Pick<ApiLimits, 'inlinesImages'>,
): void {
  checkRights(request, inputNeeds({ isObject: isAddress(input), readsForLines: readsForLines(endpoint, inlinesImages) }))
}

/** @throws 403 that names the first right that is missing */
export function checkRights({ caller }: Pick<FastifyRequest, 'caller'>, needs: readonly Right[]): void {
  const missing = missingRight(caller.rights, needs)
  if (missing) throw lacksRight(missing)
}
