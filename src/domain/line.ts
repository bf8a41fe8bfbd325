import { isUtf8 } from 'node:buffer'
import type { PlanError } from './batch.ts'
import type { Endpoint } from './endpoints.ts'
import { scanJson, type Visitor } from './json-scan.ts'

/** Where, in the bytes that were checked, a good line has what the plan keeps. */
export interface CheckedLine {
  readonly kind: 'good'
  readonly customIdStart: number
  readonly customIdEnd: number
  readonly bodyStart: number
  readonly bodyEnd: number
  /** How many inputs the line has, where the endpoint counts them; else 0. */
  readonly inputs: number
}
export type Checked = CheckedLine | { readonly kind: 'bad'; readonly errors: readonly PlanError[] }

const customIdUnits = 512
const idBytesForSure = customIdUnits + 2

type Span = { start: number; end: number }
type Name = 'custom_id' | 'method' | 'url' | 'body' | 'model' | 'stream'

/** Checks the lines of one file, one after the other: what is the first line's model is expected of all that follow (D10). */
export interface LineChecker {
  check(bytes: Buffer, start: number, end: number, number: number): Checked
  /** Only where the custom_id stands: for looking at a line again. null if it has none. */
  customId(bytes: Buffer, start: number, end: number): Span | null
  /** The model of the first good line. */
  readonly model: string | null
  readonly modelLine: number
}

export function makeLineChecker(endpoint: Endpoint): LineChecker {
  let model: string | null = null
  let modelBytes: Buffer | null = null
  let modelLine = 0
  const knownNames = ['custom_id', 'method', 'url', 'body', 'model', 'stream', ...endpoint.required.flat()].map((name) => ({
    name,
    bytes: Buffer.from(name),
  }))
  const top = new Map<string, Span>()
  const body = new Map<string, Span>()
  let bytes: Buffer = Buffer.alloc(0)
  let key = ['', '', '']

  /** A known name without making a string of it; what is unknown is decoded only if it is escaped, for then it may be a known one. */
  const keyOf = (start: number, end: number): string => {
    for (const { name, bytes: known } of knownNames) if (sameBytes(bytes, start + 1, end - 1, known)) return name
    for (let i = start + 1; i < end - 1; i++)
      if (bytes[i] === 0x5c) return JSON.parse(bytes.toString('utf8', start, end)) as string
    return ''
  }
  const visitor: Visitor = {
    key(depth, start, end) {
      const name = depth === 1 || key[1] === 'body' ? keyOf(start, end) : ''
      key[depth] = name
      if (depth === 1 && name === 'body') body.clear()
    },
    value(depth, start, end) {
      const name = key[depth] ?? ''
      if (name === '') return
      if (depth === 1) top.set(name, { start, end })
      else if (key[1] === 'body') body.set(name, { start, end })
    },
  }

  function scan(source: Buffer, start: number, end: number): boolean {
    bytes = source
    top.clear()
    body.clear()
    key = ['', '', '']
    return scanJson(source, start, end, visitor) === 'object'
  }

  const isString = ({ start }: Span) => bytes[start] === 0x22
  const textOf = ({ start, end }: Span) => JSON.parse(bytes.toString('utf8', start, end)) as string
  const post = Buffer.from('POST')
  const endpointUrl = Buffer.from(endpoint.url)
  const equals = (span: Span, expected: Buffer) =>
    sameBytes(bytes, span.start + 1, span.end - 1, expected) || textOf(span) === expected.toString()

  return {
    get model() {
      return model
    },
    get modelLine() {
      return modelLine
    },
    customId(source, start, end) {
      if (!scan(source, start, end)) return null
      const span = top.get('custom_id')
      return span && isString(span) ? span : null
    },
    check(source, start, end, number) {
      const errors: PlanError[] = []
      const wrong = (code: string, param: string | null, message: string) =>
        void errors.push({ code, message, param, line: number })
      if (!isUtf8(source.subarray(start, end))) {
        wrong('invalid_json_line', null, 'This line is not valid UTF-8. Save the file as UTF-8.')
        return { kind: 'bad', errors }
      }
      if (!scan(source, start, end)) {
        wrong('invalid_json_line', null, 'This line is not parseable as valid JSON.')
        return { kind: 'bad', errors }
      }
      const stringAt = (name: Name): Span | null => {
        const span = top.get(name)
        if (!span) wrong('missing_required_parameter', name, `Missing required parameter: '${name}'.`)
        else if (!isString(span))
          wrong('invalid_type', name, `Invalid type for '${name}': expected a string, but got ${typeAt(span)} instead.`)
        else return span
        return null
      }
      const typeAt = ({ start: at }: Span): string => typeName(bytes[at] ?? 0)

      const id = stringAt('custom_id')
      if (id) {
        const units = id.end - id.start <= idBytesForSure ? id.end - id.start - 2 : textOf(id).length
        if (units === 0)
          wrong('empty_value', 'custom_id', "Invalid 'custom_id': it is empty. Give each line an id of 1 to 512 characters.")
        if (units > customIdUnits)
          wrong(
            'string_above_max_length',
            'custom_id',
            `Invalid 'custom_id': string too long. Expected a string with maximum length ${customIdUnits}, but got a string with length ${units} instead.`,
          )
      }
      const method = stringAt('method')
      if (method && !equals(method, post))
        wrong('invalid_value', 'method', `Invalid value: '${shown(textOf(method))}'. Supported values are: 'POST'`)
      const url = stringAt('url')
      if (url && !equals(url, endpointUrl))
        wrong(
          'invalid_url',
          'url',
          `The URL provided for this request does not match the batch endpoint. Expected '${endpoint.url}'.`,
        )

      const bodySpan = top.get('body')
      if (!bodySpan) wrong('missing_required_parameter', 'body', "Missing required parameter: 'body'.")
      else if (bytes[bodySpan.start] !== 0x7b)
        wrong('invalid_type', 'body', `Invalid type for 'body': expected an object, but got ${typeAt(bodySpan)} instead.`)
      else checkBody(number, wrong, typeAt)
      if (errors.length > 0 || !id || !bodySpan) return { kind: 'bad', errors }
      return {
        kind: 'good',
        customIdStart: id.start,
        customIdEnd: id.end,
        bodyStart: bodySpan.start,
        bodyEnd: bodySpan.end,
        inputs: endpoint.countsInputs ? countInputs() : 0,
      }
    },
  }

  function checkBody(
    number: number,
    wrong: (code: string, param: string, message: string) => void,
    typeAt: (span: Span) => string,
  ): void {
    const named = body.get('model')
    if (!named || isNull(named)) wrong('invalid_request', 'body.model', 'Model parameter is required.')
    else if (!isString(named))
      wrong('invalid_type', 'body.model', `Invalid type for 'body.model': expected a string, but got ${typeAt(named)} instead.`)
    else if (named.end - named.start === 2) wrong('empty_value', 'body.model', "Invalid 'body.model': it is empty.")
    else checkModel(named, number, wrong)
    for (const names of endpoint.required)
      if (!names.some((name) => present(body.get(name))))
        wrong('missing_required_parameter', `body.${names[0]}`, `Missing required parameter: '${names[0]}'.`)
    const stream = body.get('stream')
    if (stream && bytes[stream.start] === 0x74)
      wrong('streaming_unsupported', 'body.stream', `${endpoint.title}: Streaming is not supported in the Batch API.`)
  }

  function checkModel(span: Span, number: number, wrong: (code: string, param: string, message: string) => void): void {
    if (modelBytes && bytes.compare(modelBytes, 0, modelBytes.length, span.start, span.end) === 0) return
    const name = textOf(span)
    if (model === null) {
      model = name
      modelLine = number
      modelBytes = Buffer.from(bytes.subarray(span.start, span.end))
    } else if (name !== model)
      wrong(
        'mismatched_model',
        'body.model',
        `The model '${shown(name)}' for this request does not match the rest of the batch ('${shown(model)}'). Each batch must contain requests for a single model.`,
      )
  }

  /** Texts are one each; so is an array of tokens. */
  function countInputs(): number {
    const span = body.get('input')
    if (!span || bytes[span.start] !== 0x5b) return 1
    const inputs = JSON.parse(bytes.toString('utf8', span.start, span.end)) as unknown[]
    return typeof inputs[0] === 'number' ? 1 : Math.max(1, inputs.length)
  }

  function present(span: Span | undefined): boolean {
    return span !== undefined && !isNull(span)
  }
  function isNull({ start }: Span): boolean {
    return bytes[start] === 0x6e
  }
}

/** A loop, because the texts are short: a call into native code costs more than the comparison. */
function sameBytes(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== expected.length) return false
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false
  return true
}

/** Names are shown in messages, shortened: they may be anything. */
export const shown = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}...` : text)

function typeName(first: number): string {
  switch (first) {
    case 0x22:
      return 'a string'
    case 0x7b:
      return 'an object'
    case 0x5b:
      return 'an array'
    case 0x74:
    case 0x66:
      return 'a boolean'
    case 0x6e:
      return 'null'
    default:
      return 'a number'
  }
}
