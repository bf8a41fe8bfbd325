import { fastify, type FastifyInstance } from 'fastify'
import { ApiError, errorBody } from '../domain/errors.ts'
import { operationRoutes } from './operations.ts'
import type { ApiParts } from './parts.ts'
import { safeHeaders } from './serving.ts'

const requestMs = 10_000
const connectionsAtMost = 100

/** What a worker without an API tells of itself, over plain HTTP: `/healthz`, `/readyz` and `/metrics`, and nothing else. */
export function makeWorkerServer(parts: Pick<ApiParts, 'metrics' | 'readiness'>): FastifyInstance {
  const app = fastify({ logger: false, requestTimeout: requestMs, bodyLimit: 1, forceCloseConnections: true })
  app.server.maxConnections = connectionsAtMost
  app.addHook('onRequest', async (_, reply) => void reply.headers(safeHeaders({ tls: null })))
  app.setNotFoundHandler((_, reply) => {
    const error = new ApiError(404, null, 'This is a worker: it has /healthz, /readyz and /metrics. The API is elsewhere.')
    void reply.code(error.status).send(errorBody(error))
  })
  operationRoutes(app, parts)
  return app
}
