import { isUtf8 } from 'node:buffer'
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import multipart from '@fastify/multipart'
import swagger from '@fastify/swagger'
import { fastify, type FastifyInstance, type FastifyReply } from 'fastify'
import { makeWhoCalls, type Caller } from '../auth/caller.ts'
import { ApiError, badJson, errorBody, wrongMethod } from '../domain/errors.ts'
import { adminRoutes } from './admin/admin.ts'
import { guardRoutes } from './guard/allowed.ts'
import { auditListRoutes } from './admin/audit-list.ts'
import { auditRoutes, makeAuditor } from './guard/audit.ts'
import { batchRoutes } from './batches/batches.ts'
import { failureOf } from './failures.ts'
import { fileRoutes } from './files/files.ts'
import { knowQuotas } from './admin/known-quotas.ts'
import { modelRoutes } from './models.ts'
import { operationRoutes } from './operations.ts'
import { described, securitySchemes, shownSchema } from './openapi.ts'
import type { ApiParts } from './parts.ts'
import { quotaRoutes } from './admin/quotas.ts'
import { resultRoutes } from './batches/results.ts'
import { retryRoutes } from './batches/retry.ts'
import { makeThrottle } from './guard/rates.ts'
import { refuseUnknown } from './routes.ts'
import { endStalledUpload } from './stalls.ts'
import { limitConnections, safeHeaders, serverOptions } from './serving.ts'
import { usageBucketRoutes } from './usage/usage-buckets.ts'
import { usageRoutes } from './usage/usage.ts'
import { webhookRoutes } from './webhooks/webhooks.ts'

const bodyBytes = 1024 * 1024
const byteOrderMark = Buffer.from('\uFEFF')
/** What ends a connection before there is a request. */
const unread: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
}

/** The HTTP API: the same handlers under `/v1` and `/{project_id}/v1` (D1); every answer has its request id, every error its envelope. */
export async function makeApi(given: Omit<ApiParts, 'quotas'>): Promise<FastifyInstance> {
  const parts: ApiParts = { ...given, quotas: knowQuotas(given) }
  const { clock, events, randomBytes } = parts
  const newId = () => `req_${Buffer.from(randomBytes(16)).toString('hex')}`
  const safe = safeHeaders(parts.serving)
  const app: FastifyInstance = fastify({
    logger: false,
    bodyLimit: bodyBytes,
    requestTimeout: 0, // NOTE: a big upload takes its time; what ends it is standing still (stalls.ts)
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 8192, ignoreTrailingSlash: true },
    genReqId: newId,
    trustProxy: [...parts.serving.proxies],
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
        verbose: true,
        keywords: [described],
      },
    },
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
  app.decorateRequest('made', null)
  app.decorateRequest('caller', null as unknown as Caller)
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const takesNone = request.method === 'DELETE' || /\/(cancel|files)$/.test(request.routeOptions.url ?? '')
    if (body.length === 0 || takesNone) return done(null, undefined)
    try {
      if (!isUtf8(body)) throw badJson()
      done(null, JSON.parse(body.toString('utf8', body.subarray(0, 3).equals(byteOrderMark) ? 3 : 0)))
    } catch {
      done(badJson(), undefined)
    }
  })
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
    if (length !== '0' || coding !== undefined) endStalledUpload(request.raw, clock, parts.limits.idleMs)
  })
  refuseUnknown(app)
  app.addHook('onResponse', async (request, reply) => {
    events.requestEnded({
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: reply.statusCode,
      ms: reply.elapsedTime,
      id: request.id,
    })
  })
  app.setErrorHandler((error, request, reply) => {
    const { answer, ours } = failureOf(error)
    if (ours) events.requestBroke(request.id, error)
    return reply
      .code(answer.status)
      .headers({ ...answer.headers })
      .send(errorBody(answer))
  })
  const { db, subjectOf } = parts
  const whoCalls = makeWhoCalls({ db, clock, ...(subjectOf && { subjectOf }) })
  const auditor = parts.limits.auditMs > 0 ? makeAuditor(parts) : null
  if (auditor) app.addHook('onClose', () => auditor.end())
  const throttle = makeThrottle(parts, parts.limits.rates)
  for (const prefix of ['/v1', '/:project_id/v1'])
    await app.register(
      async (routes) => {
        if (auditor) auditRoutes(routes, auditor)
        guardRoutes(routes, whoCalls, throttle)
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
      },
      { prefix },
    )
  operationRoutes(app, parts)
  return app
}
