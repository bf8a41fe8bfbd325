import { shownTime } from './rate.ts'

/** The caller is wrong, or must wait: one error for all doors. `message` says what is wrong and what to do; it never holds a key, a prompt or an answer. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string | null
  readonly param: string | null
  readonly type: string
  readonly headers: Readonly<Record<string, string>>
  constructor(
    status: number,
    code: string | null,
    message: string,
    param: string | null = null,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.param = param
    this.type = status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error'
    this.headers = headers
  }
}

/** The wire form (contract 6.1): all four keys, always. */
export const errorBody = (e: ApiError) => ({ error: { message: e.message, type: e.type, param: e.param, code: e.code } })

/** What a caller sent, in a message: enough to recognise it. */
const brief = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}...` : text)
const quoted = (values: readonly string[]) => values.map((v) => `'${v}'`).join(', ')

export const missingKey = () =>
  new ApiError(401, null, 'Missing bearer or basic authentication in header. Send "Authorization: Bearer <key>".')
export const wrongKey = () =>
  new ApiError(401, 'invalid_api_key', 'Incorrect API key provided. Ask the operator of this server for a valid one.')
export const notAllowed = () => new ApiError(403, null, 'This API key may not use this project.')
export const expiredKey = () =>
  new ApiError(401, 'invalid_api_key', 'This API key has expired. Ask the administrator of your project for a new one.')
/** A token of an issuer in the place of a key. `why`: what is wrong with it; of its claims only names, never what they say. */
export const wrongToken = (why: string) => new ApiError(401, 'invalid_api_key', `Incorrect token provided: ${why}.`)
export const nothingGranted = () =>
  new ApiError(
    403,
    null,
    'This token is good, and none of its claims opens a project here. Ask the operator of this server to grant it one.',
  )
export const issuerAway = (url: string) =>
  new ApiError(503, null, `The keys of the issuer ${url} cannot be read right now. Try again.`, null, { 'retry-after': '5' })
/** The key may use the project, but not for this. */
export const lacksRight = (right: string) =>
  new ApiError(
    403,
    'missing_right',
    right === 'operator'
      ? "This API key lacks the right 'operator': this is for operators of the server. On its machine, nightshift keys create --operator makes a key for one."
      : `This API key lacks the right '${right}' in this project. Use a key that has it, or ask the administrator of the project for one.`,
  )
export const missingParameter = (param: string) =>
  new ApiError(400, 'missing_required_parameter', `Missing required parameter: '${param}'.`, param)
export const invalidValue = (param: string, value: string, supported: readonly string[]) =>
  new ApiError(400, 'invalid_value', `Invalid value: '${brief(value)}'. Supported values are: ${quoted(supported)}`, param)
export const unknownParameter = (param: string) =>
  new ApiError(400, 'unknown_parameter', `Unknown parameter: '${brief(param)}'.`, brief(param))
export const invalid = (param: string, message: string) => new ApiError(400, 'invalid_value', message, param)
export const invalidType = (param: string, expected: string, got: string) =>
  new ApiError(400, 'invalid_type', `Invalid type for '${param}': expected ${expected}, but got ${got} instead.`, param)
export const belowMinimum = (param: string, min: number, got: number) =>
  new ApiError(
    400,
    'integer_below_min_value',
    `Invalid '${param}': integer below minimum value. Expected a value >= ${min}, but got ${got} instead.`,
    param,
  )
export const aboveMaximum = (param: string, max: number, got: number) =>
  new ApiError(
    400,
    'integer_above_max_value',
    `Invalid '${param}': integer above maximum value. Expected a value <= ${max}, but got ${got} instead.`,
    param,
  )
export const stringTooLong = (param: string, max: number, got: number) =>
  new ApiError(
    400,
    'string_above_max_length',
    `Invalid '${param}': string too long. Expected a string with maximum length ${max}, but got a string with length ${got} instead.`,
    param,
  )
export const tooManyProperties = (param: string, max: number, got: number) =>
  new ApiError(
    400,
    'object_above_max_properties',
    `Invalid '${param}': too many properties. Expected an object with at most ${max} properties, but got an object with ${got} properties instead.`,
    param,
  )
export const badJson = () =>
  new ApiError(
    400,
    null,
    'We could not parse the JSON body of your request. Send a JSON object with content-type application/json.',
  )
export const noSuchBatch = (id: string) => new ApiError(404, null, `No batch found with id '${brief(id)}'.`)
export const noSuchFile = (id: string, more = '') =>
  new ApiError(404, null, `No such File object: ${brief(id)}${more === '' ? '' : `. ${more}`}`, 'id')
export const noSuchProject = (id: string) =>
  new ApiError(404, null, `There is no project '${brief(id)}'. An operator can create it.`, 'project')
export const projectNameTaken = (name: string) =>
  new ApiError(409, null, `There is a project '${brief(name)}' already.`, 'name', { 'x-should-retry': 'false' })
export const projectErasing = (name: string) =>
  new ApiError(409, null, `The project '${brief(name)}' is being erased.`, 'project', { 'x-should-retry': 'false' })
export const cannotErase = (why: string) => new ApiError(409, null, why, 'project', { 'x-should-retry': 'false' })
/** What no official client waits for, it is told not to try again: the longest that all of them obey is a minute. */
const longestWaitMs = 60_000
const retryAfter = (ms: number): Record<string, string> =>
  ms <= longestWaitMs
    ? { 'retry-after': String(Math.ceil(ms / 1000)), 'retry-after-ms': String(Math.ceil(ms)) }
    : { 'retry-after': String(longestWaitMs / 1000), 'x-should-retry': 'false' }
/** `waitMs`: until one more fits. */
export const tooOften = (kind: string, limit: number, waitMs: number) =>
  new ApiError(
    429,
    'rate_limit_exceeded',
    `Rate limit reached for ${kind}: this key may have ${limit} ${kind === 'requests' ? 'a second' : 'an hour'}. Please try again in ${shownTime(waitMs)}.`,
    null,
    retryAfter(waitMs),
  )
/** `again`: seconds until the bound begins anew; null: it does not by itself. */
export const overQuota = (kind: string, amount: number, again: number | null) =>
  new ApiError(
    429,
    'quota_exceeded',
    `This project has reached its quota '${kind}' of ${amount}. ${again === null ? 'Try again when there is room, or ask an operator for more.' : `It begins anew in ${again} seconds; an operator can raise it.`}`,
    null,
    { ...(again === null ? {} : retryAfter(again * 1000)), 'x-should-retry': 'false' },
  )
export const tooManyDryRuns = () =>
  new ApiError(
    429,
    'too_many_dry_runs',
    'This server checks as many files as it can at once. Try again in a few seconds.',
    null,
    {
      'retry-after': '5',
    },
  )
export const noSuchQuota = (kind: string) => new ApiError(404, null, `The project has no quota '${brief(kind)}' of this model.`)
export const noSuchWebhook = (id: string) => new ApiError(404, null, `There is no webhook '${brief(id)}' in this project.`)
export const noSuchDelivery = (id: string) => new ApiError(404, null, `There is no delivery '${brief(id)}' of this webhook.`)
export const tooManyWebhooks = (most: number) =>
  new ApiError(409, null, `A project has at most ${most} webhooks: delete one that is no longer needed.`, null, {
    'x-should-retry': 'false',
  })
export const noSigningKey = () =>
  new ApiError(
    501,
    null,
    'This server has no signing key for webhooks: its operator must set NIGHTSHIFT_SIGNING_KEY, the same for all its processes.',
    null,
    { 'x-should-retry': 'false' },
  )
export const noSuchKey = (id: string) => new ApiError(404, null, `There is no key '${brief(id)}', or it was revoked before.`)
export const keyOfOthers = () =>
  new ApiError(409, null, 'This key is for other projects too, or of an operator: an operator can revoke it.', null, {
    'x-should-retry': 'false',
  })
export const resultsGone = (kind: string, id: string) =>
  new ApiError(410, null, `The ${kind} of this batch, ${brief(id)}, is gone: deleted, replaced, or its time was over.`)
export const noSuchRoute = (method: string, path: string) => new ApiError(404, null, `Invalid URL (${method} ${brief(path)}).`)
export const wrongMethod = (method: string, path: string, allowed: readonly string[]) =>
  new ApiError(
    405,
    null,
    `${method} is not allowed for ${brief(path)}. Allowed: ${allowed.length > 0 ? allowed.join(', ') : 'none'}.`,
    null,
    { allow: allowed.join(', ') },
  )
export const noSuchAfter = (what: 'batch' | 'file', id: string) =>
  invalid('after', `Invalid 'after': there is no ${what} with id '${brief(id)}'. Give the last id of the page before.`)
export const cannotCancel = (status: string) =>
  new ApiError(409, null, `Cannot cancel a batch with status '${status}'.`, null, { 'x-should-retry': 'false' })
export const cannotRetry = (why: string) =>
  new ApiError(409, null, `The batch cannot be retried: ${why}.`, null, { 'x-should-retry': 'false' })
export const idempotencyMismatch = () =>
  new ApiError(409, null, 'This Idempotency-Key was used with another body. Use a new key for a new batch.', null, {
    'x-should-retry': 'false',
  })
/** Nobody hears it; it stands in the log. */
export const clientGone = () => new ApiError(499, null, 'The client closed the connection before it was answered.')
export const fileTooLarge = (maxBytes: number) =>
  new ApiError(400, null, `File is too large. At most ${maxBytes} bytes are allowed: split it into several files.`)
export const noRoom = () =>
  new ApiError(507, null, 'The server has no room left on its disk. Nothing was stored; try again later.', null, {
    'retry-after': '30',
  })
export const unavailable = (message = 'The server cannot reach its database right now. Try again.') =>
  new ApiError(503, null, message, null, { 'retry-after': '2' })
export const broken = () =>
  new ApiError(
    500,
    null,
    'The server had an error while processing your request. The log of the server has the details under the request id.',
  )
export const badAddress = () =>
  invalid(
    'input_file_id',
    "Invalid 'input_file_id': expected the id of an uploaded file ('file-...') or the address of an object in a bucket that this project may use, without a query string, fragment or user.",
  )
