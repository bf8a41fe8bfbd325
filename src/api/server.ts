import type { ServerResponse } from 'node:http'
import multipart from '@fastify/multipart'
import swagger from '@fastify/swagger'
import { fastify, type FastifyInstance, type FastifyReply } from 'fastify'
import { makeWhoCalls, type Caller } from '../auth/caller.ts'
import { ApiError, badJson, errorBody, noSuchRoute } from '../domain/errors.ts'
import { batchRoutes } from './batches.ts'
import { failureOf } from './failures.ts'
import { fileRoutes } from './files.ts'
import { modelRoutes } from './models.ts'
import { operationRoutes } from './operations.ts'
import type { ApiParts } from './parts.ts'
import { resultRoutes } from './results.ts'
import { retryRoutes } from './retry.ts'

const bodyBytes = 1024 * 1024

/** The HTTP API: the same handlers under `/v1` and `/{project_id}/v1` (D1); every answer has its request id, every error its envelope. */
export async function makeApi(parts: ApiParts): Promise<FastifyInstance> {
  const { clock, events, randomBytes } = parts
  const newId = () => `req_${Buffer.from(randomBytes(16)).toString('hex')}`
  const app = fastify({
    logger: false,
    bodyLimit: bodyBytes,
    requestTimeout: 0, // NOTE: a big upload takes its time; what ends it is standing still (stalls.ts)
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 8192, ignoreTrailingSlash: true },
    genReqId: newId,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: false, verbose: true } },
    http: { requireHostHeader: false }, // NOTE: Node would refuse without envelope and request id
    frameworkErrors(error, request, reply) {
      const plain = reply as unknown as FastifyReply // NOTE: typed for a route, and there is none yet
      const { answer } = failureOf(error)
      void plain.header('x-request-id', request.id).code(answer.status).send(errorBody(answer))
    },
    clientErrorHandler(error, socket) {
      if (!socket.writable) return
      const body = JSON.stringify({
        error: {
          message: `The request could not be read: ${error.code ?? 'bad request'}.`,
          type: 'invalid_request_error',
          param: null,
          code: null,
        },
      })
      socket.end(
        `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nx-request-id: ${newId()}\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      )
    },
  })
  app.server.on('checkExpectation', (_, response: ServerResponse) => {
    const body = JSON.stringify(errorBody(new ApiError(417, null, "This server knows no expectation but '100-continue'.")))
    const headers = { 'content-type': 'application/json', 'x-request-id': newId() }
    response.writeHead(417, headers).end(body)
  })
  app.decorateRequest('caller', null as unknown as Caller)
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    if (body === '' || request.method === 'DELETE' || request.routeOptions.url?.endsWith('/cancel')) return done(null, undefined)
    try {
      done(null, JSON.parse(String(body)))
    } catch {
      done(badJson(), undefined)
    }
  })
  await app.register(multipart)
  await app.register(swagger, {
    openapi: {
      info: { title: 'Nightshift', description: 'A Batch API, compatible with Scaleway and OpenAI.', version: parts.version },
    },
  })

  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id)
  })
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
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send(errorBody(noSuchRoute(request.method, request.url.split('?')[0] ?? ''))),
  )

  const whoCalls = makeWhoCalls({ db: parts.db, clock })
  for (const prefix of ['/v1', '/:project_id/v1'])
    await app.register(
      async (routes) => {
        routes.addHook('onRequest', async (request) => {
          const { project_id: projectId = null } = request.params as { project_id?: string }
          request.caller = await whoCalls(request.headers.authorization, projectId)
        })
        batchRoutes(routes, parts)
        resultRoutes(routes, parts)
        retryRoutes(routes, parts)
        fileRoutes(routes, parts)
        modelRoutes(routes, parts)
      },
      { prefix },
    )
  operationRoutes(app, parts)
  return app
}
