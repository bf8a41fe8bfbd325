import type { FastifyInstance } from 'fastify'
import type { ApiParts } from './parts.ts'

/** What operators and their machines ask, without a key: is it alive, can it serve, what does it count. */
export function operationRoutes(app: FastifyInstance, { metrics, readiness }: Pick<ApiParts, 'metrics' | 'readiness'>): void {
  app.get('/healthz', { schema: { hide: true } }, async () => ({ status: 'ok' }))

  app.get('/readyz', { schema: { hide: true } }, async (_, reply) => {
    const reasons = await readiness()
    return reply.code(reasons.length === 0 ? 200 : 503).send({ status: reasons.length === 0 ? 'ready' : 'not ready', reasons })
  })

  app.get('/metrics', { schema: { hide: true } }, async (_, reply) =>
    reply.header('content-type', metrics.contentType).send(await metrics.page()),
  )
}
