import { fastify, type FastifyInstance } from 'fastify'
import { ApiError, errorBody } from '../domain/errors.ts'
import { operationRoutes } from './operations.ts'
import type { ApiParts } from './parts.ts'
import { limitConnections, safeHeaders, serverOptions, type Serving } from './serving.ts'

const requestMs = 10_000

/** What a worker without an API tells of itself, over plain HTTP: `/healthz`, `/readyz` and `/metrics`, and nothing else. */
export function makeWorkerServer(
  parts: Pick<ApiParts, 'metrics' | 'readiness'>,
  limits: Pick<Serving, 'maxConnections' | 'headerMs'>,
): FastifyInstance {
  const serving = { ...limits, tls: null, proxies: [] }
  const app = fastify({
    logger: false,
    requestTimeout: requestMs,
    bodyLimit: 1,
    forceCloseConnections: true,
    ...serverOptions(serving),
  })
  limitConnections(app, serving)
  app.addHook('onRequest', async (_, reply) => void reply.headers(safeHeaders(serving)))
  app.setNotFoundHandler((_, reply) => {
    const error = new ApiError(404, null, 'This is a worker: it has /healthz, /readyz and /metrics. The API is elsewhere.')
    void reply.code(error.status).send(errorBody(error))
  })
  operationRoutes(app, parts)
  return app
}
