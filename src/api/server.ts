import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import multipart from '@fastify/multipart'
import swagger from '@fastify/swagger'
import { fastify, type FastifyInstance, type FastifyReply } from 'fastify'
import { ApiError, errorBody, wrongMethod } from '../domain/errors.ts'
import { adminRoutes } from './admin/admin.ts'
import { auditListRoutes } from './admin/audit-list.ts'
import { batchRoutes } from './batches/batches.ts'
import { readingOptions, speakJson } from './envelope.ts'
import { failureOf } from './failures.ts'
import { fileRoutes } from './files/files.ts'
import { makeGuard, type Guard } from './guard/guard.ts'
import { knowQuotas } from './admin/known-quotas.ts'
import { modelRoutes } from './models.ts'
import { operationRoutes } from './operations.ts'
import { securitySchemes, shownSchema } from './openapi.ts'
import type { ApiParts } from './parts.ts'
import { quotaRoutes } from './admin/quotas.ts'
import { resultRoutes } from './batches/results.ts'
import { retryRoutes } from './batches/retry.ts'
import { refuseUnknown } from './routes.ts'
import { endLateBody, endStalledUpload, endUnheard } from './stalls.ts'
import { limitConnections, safeHeaders, serverOptions } from './serving.ts'
import { usageBucketRoutes } from './usage/usage-buckets.ts'
import { usageOfAllRoutes, usageRoutes } from './usage/usage.ts'
import { webhookRoutes } from './webhooks/webhooks.ts'

const idBytes = 16
const idsAtOnce = 64

/** NOTE: each asking for randomness cost 4 % of the API's CPU. */
function requestIds(randomBytes: ApiParts['randomBytes']): () => string {
  let [bytes, at] = [Buffer.alloc(0), 0]
  return () => {
    if (at === bytes.length) [bytes, at] = [Buffer.from(randomBytes(idBytes * idsAtOnce)), 0]
    return `req_${bytes.toString('hex', at, (at += idBytes))}`
  }
}

/** What ends a connection before there is a request. */
const unread: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
}

/** The HTTP API: the same handlers under `/v1` and `/{project_id}/v1` (D1); every answer has its request id, every error its envelope. */
export async function makeApi(given: Omit<ApiParts, 'quotas'>, guard: Guard = makeGuard(given)): Promise<FastifyInstance> {
  const parts: ApiParts = { ...given, quotas: knowQuotas(given) }
  const { clock, events, randomBytes } = parts
  const newId = requestIds(randomBytes)
  const safe = safeHeaders(parts.serving)
  const app: FastifyInstance = fastify({
    logger: false,
    requestTimeout: 0, // NOTE: a big upload takes its time; what ends it is standing still (stalls.ts)
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 8192, ignoreTrailingSlash: true },
    genReqId: newId,
    trustProxy: [...parts.serving.proxies],
    ...readingOptions,
    ...serverOptions(parts.serving),
    frameworkErrors(error, request, reply) {
      const plain = reply as unknown as FastifyReply // NOTE: typed for a route, and there is none yet
      const { answer } = failureOf(error)
      void plain
        .headers({ ...safe, 'x-request-id': request.id })
        .code(answer.status)
        .send(errorBody(answer))
    },
    clientErrorHandler(error, socket) {
      if (!socket.writable || /^ERR_(SSL|TLS)_/.test(error.code ?? '')) return void socket.destroy() // NOTE: a handshake that failed, or takes too long, ends here and nowhere else
      const [status, words] = unread[error.code ?? ''] ?? [400, 'Bad Request']
      endWith(socket, status, words, new ApiError(status, null, `The request could not be read: ${error.code ?? 'bad request'}.`))
    },
  })
  function endWith(socket: Duplex, status: number, words: string, error: ApiError): void {
    const body = JSON.stringify(errorBody(error))
    const headers = {
      ...safe,
      'content-type': 'application/json',
      'x-request-id': newId(),
      date: new Date(clock.now()).toUTCString(),
      connection: 'close',
      'content-length': Buffer.byteLength(body),
    }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.end(`HTTP/1.1 ${status} ${words}\r\n${lines.join('')}\r\n${body}`)
  }
  limitConnections(app, parts.serving)
  app.server.on('connect', ({ url = '' }, socket) => endWith(socket, 405, 'Method Not Allowed', wrongMethod('CONNECT', url, [])))
  app.server.on('checkExpectation', (_, response: ServerResponse) => {
    const body = JSON.stringify(errorBody(new ApiError(417, null, "This server knows no expectation but '100-continue'.")))
    const headers = { ...safe, 'content-type': 'application/json', 'x-request-id': newId() }
    response.writeHead(417, headers).end(body)
  })
  speakJson(app, (requestId, error) => events.requestBroke(requestId, error))
  await app.register(multipart)
  await app.register(swagger, {
    openapi: {
      info: { title: 'Nightshift', description: 'A Batch API, compatible with Scaleway and OpenAI.', version: parts.version },
      components: { securitySchemes },
    },
    transform: ({ schema, url }) => ({ schema: shownSchema(schema), url }),
  })

  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({ ...safe, 'x-request-id': request.id })
    const { 'content-length': length = '0', 'transfer-encoding': coding } = request.headers
    if (length === '0' && coding === undefined) return
    const isUpload = request.routeOptions.config.operation === 'files.upload'
    if (isUpload) endStalledUpload(request.raw, clock, parts.limits.idleMs)
    else endLateBody(request.raw, parts.limits.idleMs)
  })
  refuseUnknown(app)
  app.addHook('onResponse', async (request, reply) => {
    endUnheard(request.raw, clock)
    events.requestEnded({
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: reply.statusCode,
      ms: reply.elapsedTime,
      id: request.id,
    })
  })
  app.addHook('onClose', () => guard.end())
  for (const prefix of ['/v1', '/:project_id/v1'])
    await app.register(
      async (routes) => {
        guard.stand(routes)
        batchRoutes(routes, parts)
        resultRoutes(routes, parts)
        retryRoutes(routes, parts)
        fileRoutes(routes, parts)
        modelRoutes(routes, parts)
        usageRoutes(routes, parts)
        usageBucketRoutes(routes, parts)
        quotaRoutes(routes, parts)
        webhookRoutes(routes, parts)
        adminRoutes(routes, parts)
        auditListRoutes(routes, parts)
        usageOfAllRoutes(routes, parts)
      },
      { prefix },
    )
  operationRoutes(app, parts)
  app.get('/openapi.json', { schema: { hide: true } }, async (_, reply) => reply.send(app.swagger()))
  return app
}
