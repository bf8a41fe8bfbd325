import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { described } from './openapi.ts'

/** One schema checks a request, is its type here, and stands in /openapi.json. */
const secondsKept = Type.Integer({ minimum: 3600, maximum: 2_592_000 })
const expiry = Type.Object({ anchor: Type.Literal('created_at'), seconds: secondsKept })

/** Pairs of metadata (contract 3.1). */
export const mostMetadata = 16

export const createBatchBody = Type.Object({
  input_file_id: Type.String({
    description: "The id of an uploaded file ('file-...') or the address of an object: s3://bucket/key, https://bucket.host/key",
    [described]: { type: 'string', pattern: '^(file-[A-Za-z0-9_-]{1,100}|(s3|https?)://.+)$' },
  }),
  endpoint: Type.String({ description: 'Every line of the file must name it as its url' }),
  completion_window: Type.String(),
  metadata: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Object(
        {},
        { maxProperties: mostMetadata, propertyNames: { maxLength: 64 }, additionalProperties: Type.String({ maxLength: 512 }) },
      ),
    ]),
  ),
  output_expires_after: Type.Optional(Type.Union([Type.Null(), expiry])),
  idempotency_key: Type.Optional(Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 255 })])),
})
/** As this server offers it. */
export function offeredBatchBody({ endpoints, windows }: { endpoints: readonly string[]; windows: readonly string[] }) {
  const { endpoint, completion_window: window } = createBatchBody.properties
  const oneOf = (values: readonly string[]) => ({ [described]: { type: 'string', enum: values } })
  return Type.Object({
    ...createBatchBody.properties,
    endpoint: Type.String({ ...endpoint, ...oneOf(endpoints) }),
    completion_window: Type.String({ ...window, ...oneOf(windows) }),
  })
}
export type CreateBatchBody = Static<typeof createBatchBody> & { metadata?: Record<string, string> | null }

export const retryBody = Type.Union([
  Type.Null(),
  Type.Object(
    {
      codes: Type.Optional(
        Type.Union([
          Type.Null(),
          Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
            minItems: 1,
            maxItems: 100,
            description: 'Lines without an answer that have one of these codes, such as batch_expired',
          }),
        ]),
      ),
      statuses: Type.Optional(
        Type.Union([
          Type.Null(),
          Type.Array(Type.Integer({ minimum: 100, maximum: 999 }), {
            minItems: 1,
            maxItems: 100,
            description: 'Lines whose answer had one of these statuses, such as 500',
          }),
        ]),
      ),
      idempotency_key: Type.Optional(Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 255 })])),
    },
    { additionalProperties: false },
  ),
])
export type RetryBody = Static<typeof retryBody>

const nullable = (of: ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>) => Type.Union([of, Type.Null()])
const time = nullable(Type.Integer({ description: 'seconds since 1970' }))
export const count = Type.Integer({ minimum: 0 })

export const usage = Type.Object({
  type: Type.String(),
  seconds: Type.Optional(Type.Number()),
  input_tokens: count,
  input_tokens_details: Type.Object({ cached_tokens: count }),
  output_tokens: count,
  output_tokens_details: Type.Object({ reasoning_tokens: count }),
  total_tokens: count,
})

export const cost = Type.Object({ value: Type.Number(), currency: Type.String() })

export const batch = Type.Object({
  id: Type.String(),
  object: Type.Literal('batch'),
  endpoint: Type.String(),
  model: nullable(Type.String()),
  errors: Type.Union([
    Type.Null(),
    Type.Object({
      object: Type.Literal('list'),
      data: Type.Array(
        Type.Object({
          code: Type.String(),
          message: Type.String(),
          param: nullable(Type.String()),
          line: nullable(Type.Integer()),
        }),
      ),
    }),
  ]),
  input_file_id: Type.String(),
  completion_window: Type.String(),
  status: Type.String(),
  output_file_id: nullable(Type.String()),
  error_file_id: nullable(Type.String()),
  created_at: Type.Integer(),
  in_progress_at: time,
  expires_at: Type.Integer(),
  finalizing_at: time,
  completed_at: time,
  failed_at: time,
  expired_at: time,
  cancelling_at: time,
  cancelled_at: time,
  request_counts: Type.Object({ total: count, completed: count, failed: count }),
  usage,
  metadata: Type.Union([Type.Null(), Type.Record(Type.String(), Type.String())]),
  at_risk: Type.Optional(Type.Literal(true, { description: 'it would miss its window at the present pace' })),
  cost: Type.Optional(Type.Union([cost, Type.Null()])),
})

const orNull = <T extends TSchema>(of: T) => Type.Union([of, Type.Null()])
const dryRun = Type.Object({
  object: Type.Literal('batch.dry_run'),
  valid: Type.Boolean(),
  errors: batch.properties.errors,
  model: nullable(Type.String()),
  lines: orNull(count),
  bytes: orNull(count),
  estimated_tokens: orNull(Type.Object({ input: count, output: count, total: count })),
  estimated_cost: orNull(cost),
  expected_seconds: orNull(count),
})
export const createdOrDry = Type.Union([batch, dryRun])
export const createQuery = Type.Object({
  dry_run: Type.Optional(
    Type.Union([Type.Literal('true'), Type.Literal('false')], {
      description: 'true: the file is checked and nothing is made; the answer says what would come of it',
    }),
  ),
})
export type CreateQuery = Static<typeof createQuery>

export const file = Type.Object({
  id: Type.String(),
  object: Type.Literal('file'),
  purpose: Type.String(),
  filename: Type.String(),
  bytes: count,
  created_at: Type.Integer(),
  expires_at: time,
  status: Type.String(),
  status_details: Type.Null(),
})

export const model = Type.Object({
  id: Type.String(),
  object: Type.Literal('model'),
  created: Type.Integer(),
  owned_by: Type.String(),
})
export const deletedFile = Type.Object({ id: Type.String(), object: Type.Literal('file'), deleted: Type.Boolean() })

export const listOf = <T extends TSchema>(of: T) =>
  Type.Object({
    object: Type.Literal('list'),
    data: Type.Array(of),
    first_id: Type.Optional(nullable(Type.String())),
    last_id: Type.Optional(nullable(Type.String())),
    has_more: Type.Optional(Type.Boolean()),
  })

/** Query strings come as text and are read by `query.ts`, which says what is wrong in the contract's words; here they are described. */
export const whole = (maximum: number) => ({ [described]: { type: 'integer', minimum: 1, maximum } })
export const after = Type.Optional(Type.String({ description: 'the last id of the page before' }))
export const batchesQuery = Type.Object({ after, limit: Type.Optional(Type.String(whole(100))) })
export const filesQuery = Type.Object({
  after,
  limit: Type.Optional(Type.String(whole(10_000))),
  order: Type.Optional(Type.String({ [described]: { type: 'string', enum: ['asc', 'desc'] } })),
  purpose: Type.Optional(Type.String()),
})
export const uploadPurposes = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals']
/** Read as it comes in (`upload.ts`). */
export const uploadBody = Type.Unsafe<unknown>({
  [described]: {
    type: 'object',
    required: ['file', 'purpose'],
    properties: {
      file: { type: 'string', format: 'binary' },
      purpose: { type: 'string', enum: uploadPurposes },
      'expires_after[anchor]': { type: 'string', enum: ['created_at'] },
      'expires_after[seconds]': { type: 'integer', minimum: 3600, maximum: 2_592_000 },
    },
  },
})
export const resultsQuery = Type.Object({
  after: Type.Optional(Type.String({ description: 'the x-next-after of the page before; without it, from the first line on' })),
  max_bytes: Type.Optional(Type.String({ description: 'about how long a page may be; default 4194304', ...whole(67_108_864) })),
})
export const resultLines = {
  description: 'Lines as they will stand in the output and error files',
  headers: {
    'x-incomplete': Type.String({ description: "'true' while there is more, or may be" }),
    'x-next-after': Type.String({ description: "the 'after' of the next page" }),
  },
  content: { 'application/x-ndjson': { schema: Type.String() } },
}
export const contentBytes = {
  description: 'The bytes; a range of them with 206',
  content: { 'application/octet-stream': { schema: Type.String({ format: 'binary' }) } },
}
export const idParams = Type.Object({ id: Type.String() })
