import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { heaviest, longestKept } from '../../auth/operate.ts'
import type { ErasureView } from '../../domain/erasure.ts'
import { rateLimits, type RateLimits } from '../../domain/rate.ts'
import { grantable } from '../../domain/rights.ts'

const time = Type.Union([Type.Integer({ description: 'seconds since 1970' }), Type.Null()])
const list = (of: TSchema) => Type.Object({ object: Type.Literal('list'), data: Type.Array(of), has_more: Type.Boolean() })

export const project = Type.Object({
  id: Type.String(),
  object: Type.Literal('project'),
  name: Type.String(),
  is_default: Type.Boolean(),
  weight: Type.Integer({ description: 'its part of what is served, beside other projects' }),
  created_at: Type.Integer(),
  keep_days: Type.Union([Type.Integer(), Type.Null()], {
    description: 'how long its files and ended batches are kept; null: as the server does',
  }),
  erasing: Type.Boolean({ description: 'it is being deleted with everything of it' }),
})
export const projectList = list(project)
const name = Type.String({ minLength: 1, maxLength: 64 })
export const projectBody = Type.Object({ name })
export type ProjectBody = Static<typeof projectBody>
export const projectChange = Type.Object({
  name: Type.Optional(name),
  weight: Type.Optional(Type.Integer({ minimum: 1, maximum: heaviest, description: 'only an operator may set it' })),
  keep_days: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: longestKept }), Type.Null()])),
})
export type ProjectChange = Static<typeof projectChange>

const rights = Type.Array(Type.String(), { minItems: 1, maxItems: 20, description: grantable.join(', ') })
const limits = Type.Object(
  Object.fromEntries(rateLimits.map((name) => [name, Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 }))])),
  { additionalProperties: false, description: 'what is not there is as for all keys' },
)
const key = {
  id: Type.String(),
  object: Type.Literal('key'),
  name: Type.String(),
  hint: Type.String({ description: 'its first characters' }),
  issuer: Type.Union([Type.String(), Type.Null()], {
    description: 'null: a key; else whose tokens it comes with: `name` is the subject, `access` where they let it in so far',
  }),
  operator: Type.Boolean(),
  access: Type.Array(Type.Object({ project: Type.String(), project_name: Type.String(), rights: Type.Array(Type.String()) })),
  limits,
  created_at: Type.Integer(),
  expires_at: time,
  last_used_at: time,
  revoked_at: time,
}
export const keyList = list(Type.Object(key))
export const madeKey = Type.Object({ ...key, key: Type.String({ description: 'the key itself, shown this once' }) })
export const createKeyBody = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 64 }),
  access: Type.Optional(
    Type.Array(Type.Object({ project: Type.String({ description: 'id or name' }), rights: Type.Optional(rights) }), {
      minItems: 1,
      maxItems: 100,
      description:
        'the first project is its default; without it: all that can be done with the data of the project of the caller',
    }),
  ),
  limits: Type.Optional(limits),
  operator: Type.Optional(Type.Boolean({ description: 'for the whole server; only an operator may give it' })),
  expires_at: Type.Optional(
    Type.Union([Type.Integer({ minimum: 0, maximum: 253_402_300_799, description: 'seconds since 1970' }), Type.Null()]),
  ),
})
export type CreateKeyBody = Omit<Static<typeof createKeyBody>, 'limits'> & { readonly limits?: RateLimits }
export const keysQuery = Type.Object({ project: Type.Optional(Type.String({ description: 'of one project, by id or name' })) })
export type KeysQuery = Static<typeof keysQuery>
export const revokedKey = Type.Object({ id: Type.String(), object: Type.Literal('key'), revoked: Type.Boolean() })

const counts = (names: readonly (keyof ErasureView['deleted'] | keyof ErasureView['remaining'])[], description: string) =>
  Type.Object(Object.fromEntries(names.map((one) => [one, Type.Number()])), { description })
export const erasure = Type.Object({
  id: Type.String({ description: 'of the project' }),
  object: Type.Literal('project.erasure'),
  name: Type.String(),
  status: Type.Union([Type.Literal('erasing'), Type.Literal('erased')]),
  requested_at: Type.Integer(),
  erased_at: time,
  confirmed_at: Type.Union([Type.Integer(), Type.Null()], { description: 'when it was looked for once more, an hour later' }),
  deleted: counts(
    ['batches', 'files', 'bytes', 'objects', 'keys', 'webhooks', 'requests', 'tokens', 'seconds'],
    'how many of each, and what it had used in all',
  ),
  remaining: counts(['open_batches', 'files', 'objects', 'uploads'], 'what still stands in the way'),
})
export const erasureList = list(erasure)

export const bucketList = list(
  Type.Object({
    object: Type.Literal('bucket'),
    bucket: Type.String(),
    project: Type.String(),
    source: Type.String(),
    place: Type.String(),
  }),
)
