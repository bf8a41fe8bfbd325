import { Type, type Static } from '@sinclair/typebox'
import { described } from '../openapi.ts'
import { cost, count, whole } from '../schemas.ts'

const day = { [described]: { type: 'string', format: 'date' } }

/** `names`: what may stand in `group_by`; `usual`: what stands there if nothing does. */
const usageQueryBy = (names: readonly string[], usual: string) => {
  const name = `(${names.join('|')})`
  return Type.Object({
    start: Type.Optional(Type.String({ description: 'first day, such as 2026-11-01 (UTC); default 30 days', ...day })),
    end: Type.Optional(Type.String({ description: 'last day, included; default today', ...day })),
    group_by: Type.Optional(
      Type.String({
        description: `${names.join(', ')}, separated by commas; default ${usual}`,
        [described]: { type: 'string', pattern: `^(${name}(,${name})*)?$` },
      }),
    ),
  })
}
const names = ['date', 'model', 'api_key_id', 'endpoint']
export const usageQuery = usageQueryBy(names, 'date,model')
export type UsageQuery = Static<typeof usageQuery>

export const usageOfAllQuery = Type.Object({
  project: Type.Optional(Type.String({ description: 'only of this one, by id or name' })),
  ...usageQueryBy(['project_id', ...names], 'date,project_id,model').properties,
})
export type UsageOfAllQuery = Static<typeof usageOfAllQuery>

export const usageList = Type.Object({
  object: Type.Literal('list'),
  start: Type.String(),
  end: Type.String(),
  data: Type.Array(
    Type.Object({
      object: Type.Literal('usage'),
      date: Type.Optional(Type.String()),
      project_id: Type.Optional(Type.String()),
      project_name: Type.Optional(Type.String()),
      api_key_id: Type.Optional(Type.String()),
      model: Type.Optional(Type.String()),
      endpoint: Type.Optional(Type.String()),
      batches: count,
      requests: Type.Object({ completed: count, failed: count }),
      input_tokens: count,
      input_cached_tokens: count,
      output_tokens: count,
      total_tokens: count,
      seconds: Type.Number(),
      cost: Type.Optional(Type.Union([cost, Type.Null()])),
    }),
  ),
})

/** OpenAI's kinds of usage. */
export const kindParams = Type.Object({ kind: Type.String() })

const groups = ['model', 'api_key_id', 'project_id']
/** OpenAI's clients write `models[]=a&models[]=b`, others `models=a&models=b`. */
const oneOrMore = (of: object) =>
  Type.Optional(
    Type.Unsafe<string | string[]>({
      anyOf: [Type.String(), Type.Array(Type.String())],
      [described]: { type: 'array', items: { type: 'string', ...of } },
    }),
  )
const group = oneOrMore({ enum: groups })
const texts = oneOrMore({})
const seconds = { [described]: { type: 'integer', minimum: 0, maximum: 253_402_300_799 } }
export const bucketQuery = Type.Object({
  start_time: Type.String({ description: 'seconds since 1970', ...seconds }),
  end_time: Type.Optional(Type.String(seconds)),
  bucket_width: Type.Optional(Type.String({ [described]: { type: 'string', enum: ['1d'] } })),
  group_by: group,
  'group_by[]': group,
  project_ids: texts,
  'project_ids[]': texts,
  api_key_ids: texts,
  'api_key_ids[]': texts,
  models: texts,
  'models[]': texts,
  batch: Type.Optional(Type.String({ description: 'all here is of batches', [described]: { type: 'boolean' } })),
  limit: Type.Optional(Type.String(whole(31))),
  page: Type.Optional(Type.String(seconds)),
})
export type BucketQuery = Static<typeof bucketQuery>

export const bucketPage = Type.Object({
  object: Type.Literal('page'),
  data: Type.Array(
    Type.Object({
      object: Type.Literal('bucket'),
      start_time: Type.Integer(),
      end_time: Type.Integer(),
      results: Type.Array(Type.Record(Type.String(), Type.Unknown())),
    }),
  ),
  has_more: Type.Boolean(),
  next_page: Type.Union([Type.String(), Type.Null()]),
})
