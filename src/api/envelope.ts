/** How requests are read and answers written, whoever asks: bodies in JSON, checked by the schemas of the routes, and errors in their envelope. */
import { isUtf8 } from 'node:buffer'
import { AjvCompiler as makeCompiler } from '@fastify/ajv-compiler'
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import type { Caller } from '../auth/caller.ts'
import { badJson, errorBody } from '../domain/errors.ts'
import { failureOf } from './failures.ts'
import { described } from './openapi.ts'

const bodyBytes = 1024 * 1024
const byteOrderMark = Buffer.from('\uFEFF')

export const readingOptions = { bodyLimit: bodyBytes }

const schemaOptions = {
  customOptions: {
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: false,
    allErrors: false,
    verbose: true,
    keywords: [described],
  },
}

type Check = ReturnType<FastifySchemaCompiler<unknown>>

/** A schema is compiled when a request first needs it: to compile all of them takes longer than all else of a start. */
function compileLate(): FastifySchemaCompiler<unknown> {
  const compile = makeCompiler()({}, schemaOptions) as unknown as FastifySchemaCompiler<unknown>
  return (route) => {
    let compiled: Check | undefined
    const check: Check = (data: unknown) => {
      compiled ??= compile(route)
      const answer = compiled(data)
      check.errors = compiled.errors ?? null
      return answer
    }
    return check
  }
}

/** `broke`: told of what is our trouble, of which the answer says nothing. */
export function speakJson(app: FastifyInstance, broke: (requestId: string, error: unknown) => void): void {
  app.decorateRequest('target', null)
  app.decorateRequest('doneIn', null)
  app.decorateRequest('calledWith', null)
  app.decorateRequest('caller', null as unknown as Caller)
  app.setValidatorCompiler(compileLate())
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
  app.setErrorHandler((error, request, reply) => {
    const { answer, ours } = failureOf(error)
    if (ours) broke(request.id, error)
    return reply
      .code(answer.status)
      .headers({ ...answer.headers })
      .send(errorBody(answer))
  })
}
