import type { FastifyError } from 'fastify'
import { NoRoom } from '../blobs/blobs.ts'
import { BucketDenied } from '../blobs/bucket.ts'
import { meaningOf, S3Failure } from '../blobs/s3/failure.ts'
import {
  aboveMaximum,
  ApiError,
  belowMinimum,
  broken,
  clientGone,
  fileTooLarge,
  invalid,
  invalidType,
  invalidValue,
  missingParameter,
  unknownParameter,
  noRoom,
  stringTooLong,
  tooManyProperties,
  unavailable,
} from '../domain/errors.ts'
import { BadText, DbFull, DbUnavailable } from '../store/db.ts'

/** What one failed check of a schema says (ajv, verbose). */
interface Fault {
  readonly keyword: string
  readonly instancePath: string
  readonly params: Readonly<Record<string, unknown>>
  readonly data?: unknown
  readonly propertyName?: string
}

/** Whatever was thrown, as an answer. `ours`: it is our trouble, to be logged. */
export function failureOf(error: unknown): { answer: ApiError; ours: boolean } {
  if (error instanceof ApiError) return { answer: error, ours: false }
  if (error instanceof NoRoom || error instanceof DbFull) return { answer: noRoom(), ours: true }
  if (error instanceof BadText)
    return { answer: new ApiError(400, 'invalid_value', 'The request names something with a NUL character in it.'), ours: false }
  if (error instanceof DbUnavailable) return { answer: unavailable(), ours: true }
  if (error instanceof S3Failure && meaningOf(error) === 'trouble')
    return { answer: unavailable('The server cannot reach its object storage right now. Try again.'), ours: true }
  if (error instanceof BucketDenied) return { answer: new ApiError(403, null, error.message), ours: true }
  const known = error instanceof Error ? (error as FastifyError) : null
  if (known?.validation) return { answer: faultOf(known.validation as unknown as Fault[]), ours: false }
  if (known?.code === 'FST_REQ_FILE_TOO_LARGE') return { answer: fileTooLarge(0), ours: false }
  if (known && /^(Multipart:|Unexpected end of (form|multipart)|Malformed part)/.test(known.message))
    return { answer: new ApiError(400, null, `The multipart body cannot be read: ${known.message}.`), ours: false }
  if (known?.code === 'ECONNRESET' || known?.message === 'aborted') return { answer: clientGone(), ours: false }
  if (known?.code === 'FST_FILES_LIMIT') return { answer: invalid('file', "Send one file, in the field 'file'."), ours: false }
  if (known?.code === 'FST_FIELDS_LIMIT' || known?.code === 'FST_PARTS_LIMIT')
    return { answer: new ApiError(400, null, 'The form has too many fields. Send file, purpose and expires_after.'), ours: false }
  if (known?.code === 'FST_ERR_BAD_URL' || known?.code === 'FST_ERR_MAX_PARAM_LENGTH')
    return { answer: new ApiError(404, null, 'Invalid URL: it cannot be decoded, or is too long.'), ours: false }
  const status = known?.statusCode
  if (known && status !== undefined && status >= 400 && status < 500)
    return {
      answer: new ApiError(status === 413 || status === 415 ? status : 400, null, inWords(status) ?? known.message),
      ours: false,
    }
  return { answer: broken(), ours: true }
}

/** What the framework says of a body in few words, with what to do. */
function inWords(status: number): string | null {
  if (status === 413) return 'The request body is too large: at most 1 MiB. A file of lines is sent to /v1/files.'
  if (status === 415) return 'The content-type of the request cannot be read. Send JSON with content-type application/json.'
  return null
}

/** The most telling of the faults: a union (`null` or something) fails in each of its branches; what lies deepest is what was meant. */
function faultOf(faults: readonly Fault[]): ApiError {
  const telling = faults.filter((f) => f.keyword !== 'anyOf' && f.params.type !== 'null')
  const fault = telling.toSorted((a, b) => depth(b) - depth(a))[0] ?? faults[0]
  if (!fault) return new ApiError(400, null, 'The request is not valid.')
  const param = fault.instancePath
    .split('/')
    .slice(1)
    .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.')
  switch (fault.keyword) {
    case 'required':
      return missingParameter([param, String(fault.params.missingProperty)].filter(Boolean).join('.'))
    case 'type':
      return param === ''
        ? new ApiError(400, null, 'Send a JSON object as the body of the request.')
        : invalidType(param, article(String(fault.params.type)), article(typeOf(fault.data)))
    case 'additionalProperties':
      return unknownParameter([param, String(fault.params.additionalProperty)].filter(Boolean).join('.'))
    case 'const':
      return invalidValue(
        param,
        String(fault.data),
        faults.filter((f) => f.keyword === 'const').map((f) => String(f.params.allowedValue)),
      )
    case 'minimum':
      return belowMinimum(param, Number(fault.params.limit), Number(fault.data))
    case 'maximum':
      return aboveMaximum(param, Number(fault.params.limit), Number(fault.data))
    case 'maxProperties':
      return tooManyProperties(param, Number(fault.params.limit), Object.keys(Object(fault.data)).length)
    case 'maxLength':
      return stringTooLong(
        fault.propertyName === undefined ? param : `${param}.${[...fault.propertyName].slice(0, 64).join('')}`,
        Number(fault.params.limit),
        [...(fault.propertyName ?? String(fault.data))].length,
      )
    case 'minLength':
    case 'minItems':
      return invalid(param, `Invalid '${param}': it is empty, or too short. Give at least ${Number(fault.params.limit)}.`)
    case 'maxItems':
      return invalid(param, `Invalid '${param}': too many. At most ${Number(fault.params.limit)} are allowed.`)
    default:
      return param === '' ? new ApiError(400, null, 'The request is not valid.') : invalid(param, `Invalid '${param}'.`)
  }
}

const depth = (fault: Fault): number =>
  fault.instancePath.split('/').length +
  (fault.propertyName === undefined ? 0 : 1) +
  (fault.keyword === 'propertyNames' ? -10 : 0)

const typeOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)
const article = (type: string): string => (type === 'null' ? type : /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`)
