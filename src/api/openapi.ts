/** What /openapi.json says beside what each route says itself. */
import { Type, type TSchema } from '@sinclair/typebox'
import type { FastifySchema, RouteOptions } from 'fastify'

const textOrNull = Type.Union([Type.String(), Type.Null()])
const failure = {
  description: 'What is wrong, where, and what to do',
  content: {
    'application/json': {
      schema: Type.Object({
        error: Type.Object({ message: Type.String(), type: Type.String(), param: textOrNull, code: textOrNull }),
      }),
    },
  },
}

/** How a key is sent. */
export const securitySchemes = { key: { type: 'http', scheme: 'bearer' } } as const

/** A keyword of ours: how a value is described where the check of it is `query.ts`'s, in the contract's words. */
export const described = 'described'

/** Each route of the API asks for a key, answers errors in one form, and may stand under a project. */
export function describeRoute(route: RouteOptions): void {
  const schema = route.schema ?? {}
  if (schema.hide === true) return
  const { params, response } = schema as { params?: { properties: Record<string, TSchema> }; response?: Record<string, unknown> }
  const named = { ...params?.properties, ...(route.url.startsWith('/:project_id/') ? { project_id: Type.String() } : {}) }
  route.schema = {
    ...schema,
    ...(Object.keys(named).length > 0 ? { params: Type.Object(named) } : {}),
    security: [{ key: [] }],
    response: { ...response, default: failure },
  }
}

/** The schema as it is shown: with the description in the place of what is described. */
export function shownSchema<T extends FastifySchema | null | undefined>(schema: T): T {
  return shown(schema) as T
}

function shown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value !== 'object' || value === null) return value
  const given = (value as Record<string, unknown>)[described]
  if (typeof given === 'object' && given !== null) {
    const { description } = value as { description?: string }
    return { ...given, ...(description === undefined ? {} : { description }) }
  }
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shown(one)]))
}
