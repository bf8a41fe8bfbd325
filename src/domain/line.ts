import { isUtf8 } from 'node:buffer'
import type { PlanError } from './batch.ts'
import type { Endpoint } from './endpoints.ts'
import { tokensOfLine, type Estimate } from './estimate.ts'
import { memberAt, memberNames, sameBytes, type MemberNames } from './json-member.ts'
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
  /** How many tokens it will take, as far as can be told. */
  readonly tokens: Estimate
}
export type Checked = CheckedLine | { readonly kind: 'bad'; readonly errors: readonly PlanError[] }

const customIdUnits = 512
const idBytesForSure = customIdUnits + 2
/** A name of a model stands in rows, lists and messages. */
const modelBytesAtMost = 1024

/** Checks the lines of one file, one after the other: what is the first line's model is expected of all that follow (D10). */
export interface LineChecker {
  check(bytes: Buffer, start: number, end: number, number: number): Checked
  /** Only where the custom_id stands: for looking at a line again. null if it has none. */
  customId(bytes: Buffer, start: number, end: number): { readonly start: number; readonly end: number } | null
  /** The model of the first good line. */
  readonly model: string | null
  readonly modelLine: number
}

/** Members of an object that are looked for: where the value of each stands in the line at hand; `starts` is -1 where it has none. Of a good line nothing else is made. */
interface Members extends MemberNames {
  readonly starts: Int32Array
  readonly ends: Int32Array
}

const membersOf = (names: readonly string[]): Members => ({
  ...memberNames(names),
  starts: new Int32Array(names.length).fill(-1),
  ends: new Int32Array(names.length).fill(-1),
})
const [idAt, methodAt, urlAt, bodyAt] = [0, 1, 2, 3]
const [modelAt, streamAt] = [0, 1]
const post = Buffer.from('POST')

export function makeLineChecker(endpoint: Endpoint): LineChecker {
  let model: string | null = null
  let modelBytes: Buffer | null = null
  let modelLine = 0
  const top = membersOf(['custom_id', 'method', 'url', 'body'])
  const { cannot = [], outputLimits = [] } = endpoint
  const body = membersOf([
    ...new Set(['model', 'stream', ...endpoint.required.flat(), 'input', ...cannot.map(([name]) => name), ...outputLimits]),
  ])
  const limitsAt = outputLimits.map((name) => body.names.indexOf(name))
  const refused = cannot.map(([name, why]) => ({ at: body.names.indexOf(name), name, why }))
  const required = endpoint.required.map((names) => names.map((name) => body.names.indexOf(name)))
  const inputAt = body.names.indexOf('input')
  const endpointUrl = Buffer.from(endpoint.url)
  let bytes: Buffer = Buffer.alloc(0)
  let line = 0
  let errors: PlanError[] | null = null
  let outer = -1
  let inner = -1

  const visitor: Visitor = {
    key(depth, start, end) {
      if (depth === 2) inner = outer === bodyAt ? memberAt(body, bytes, start, end) : -1
      else {
        outer = memberAt(top, bytes, start, end)
        if (outer === bodyAt) body.starts.fill(-1)
      }
    },
    value(depth, start, end) {
      const [members, at] = depth === 1 ? [top, outer] : [body, inner]
      if (at < 0) return
      members.starts[at] = start
      members.ends[at] = end
    },
  }

  function scan(source: Buffer, start: number, end: number): boolean {
    bytes = source
    top.starts.fill(-1)
    body.starts.fill(-1)
    outer = inner = -1
    return scanJson(source, start, end, visitor) === 'object'
  }

  const has = (members: Members, at: number): boolean => startOf(members, at) >= 0
  const firstByte = (members: Members, at: number): number => bytes[startOf(members, at)] ?? 0
  const isString = (members: Members, at: number): boolean => firstByte(members, at) === 0x22
  const textOf = (members: Members, at: number): string =>
    JSON.parse(bytes.toString('utf8', startOf(members, at), endOf(members, at))) as string
  const equals = (at: number, expected: Buffer): boolean =>
    sameBytes(bytes, startOf(top, at) + 1, endOf(top, at) - 1, expected) || textOf(top, at) === expected.toString()

  function wrong(code: string, param: string | null, message: string): void {
    errors ??= []
    errors.push({ code, message, param, line })
  }
  const wrongType = (param: string, expected: string, got: number): void =>
    wrong('invalid_type', param, `Invalid type for '${param}': expected ${expected}, but got ${typeName(got)} instead.`)

  function isText(at: number): boolean {
    const name = top.names[at] ?? ''
    if (!has(top, at)) wrong('missing_required_parameter', name, `Missing required parameter: '${name}'.`)
    else if (!isString(top, at)) wrongType(name, 'a string', firstByte(top, at))
    else return true
    return false
  }

  function checkId(): void {
    const written = endOf(top, idAt) - startOf(top, idAt)
    const units = written <= idBytesForSure ? written - 2 : textOf(top, idAt).length
    if (units === 0)
      wrong('empty_value', 'custom_id', "Invalid 'custom_id': it is empty. Give each line an id of 1 to 512 characters.")
    if (units > customIdUnits)
      wrong(
        'string_above_max_length',
        'custom_id',
        `Invalid 'custom_id': string too long. Expected a string with maximum length ${customIdUnits}, but got a string with length ${units} instead.`,
      )
  }

  function checkTop(): void {
    if (isText(idAt)) checkId()
    if (isText(methodAt) && !equals(methodAt, post))
      wrong('invalid_value', 'method', `Invalid value: '${shown(textOf(top, methodAt))}'. Supported values are: 'POST'`)
    if (isText(urlAt) && !equals(urlAt, endpointUrl))
      wrong(
        'invalid_url',
        'url',
        `The URL provided for this request does not match the batch endpoint. Expected '${endpoint.url}'.`,
      )
    if (!has(top, bodyAt)) wrong('missing_required_parameter', 'body', "Missing required parameter: 'body'.")
    else if (firstByte(top, bodyAt) !== 0x7b) wrongType('body', 'an object', firstByte(top, bodyAt))
    else checkBody()
  }

  const isNull = (at: number): boolean => firstByte(body, at) === 0x6e

  function checkBody(): void {
    if (!has(body, modelAt) || isNull(modelAt)) wrong('invalid_request', 'body.model', 'Model parameter is required.')
    else if (!isString(body, modelAt)) wrongType('body.model', 'a string', firstByte(body, modelAt))
    else if (endOf(body, modelAt) - startOf(body, modelAt) === 2)
      wrong('empty_value', 'body.model', "Invalid 'body.model': it is empty.")
    else if (endOf(body, modelAt) - startOf(body, modelAt) > modelBytesAtMost)
      wrong(
        'string_above_max_length',
        'body.model',
        `Invalid 'body.model': string too long. Expected at most ${modelBytesAtMost} bytes.`,
      )
    else checkModel()
    for (const oneOf of required)
      if (!oneOf.some((at) => has(body, at) && !isNull(at))) {
        const name = body.names[oneOf[0] ?? 0] ?? ''
        wrong('missing_required_parameter', `body.${name}`, `Missing required parameter: '${name}'.`)
      }
    if (endpoint.audio) checkAudio()
    if (has(body, streamAt) && firstByte(body, streamAt) === 0x74)
      wrong('streaming_unsupported', 'body.stream', `${endpoint.title}: Streaming is not supported in the Batch API.`)
    for (const { at, name, why } of refused)
      if (has(body, at) && !isNull(at) && firstByte(body, at) !== 0x66)
        wrong('unsupported_parameter', `body.${name}`, `${endpoint.title}: '${name}' is not supported in the Batch API: ${why}.`)
  }

  function checkAudio(): void {
    for (const at of required.flat())
      if (has(body, at) && !isNull(at) && !isString(body, at))
        wrongType(`body.${body.names[at]}`, 'a string', firstByte(body, at))
  }

  function checkModel(): void {
    const [start, end] = [startOf(body, modelAt), endOf(body, modelAt)]
    if (modelBytes && sameBytes(bytes, start, end, modelBytes)) return
    const name = textOf(body, modelAt)
    if (model === null) {
      model = name
      modelLine = line
      modelBytes = Buffer.from(bytes.subarray(start, end))
    } else if (name !== model)
      wrong(
        'mismatched_model',
        'body.model',
        `The model '${shown(name)}' for this request does not match the rest of the batch ('${shown(model)}'). Each batch must contain requests for a single model.`,
      )
  }

  /** Texts are one each; so is an array of tokens. */
  function countInputs(): number {
    if (firstByte(body, inputAt) !== 0x5b) return 1
    const inputs = JSON.parse(bytes.toString('utf8', startOf(body, inputAt), endOf(body, inputAt))) as unknown[]
    return typeof inputs[0] === 'number' ? 1 : Math.max(1, inputs.length)
  }

  /** The first limit that is a number; what else stands there the backend judges. */
  function outputLimit(): number | null {
    for (const at of limitsAt) {
      const limit = has(body, at) ? Number(bytes.toString('latin1', startOf(body, at), endOf(body, at))) : NaN
      if (Number.isFinite(limit)) return Math.max(0, Math.ceil(limit))
    }
    return null
  }

  return {
    get model() {
      return model
    },
    get modelLine() {
      return modelLine
    },
    customId(source, start, end) {
      if (!scan(source, start, end) || !isString(top, idAt)) return null
      return { start: startOf(top, idAt), end: endOf(top, idAt) }
    },
    check(source, start, end, number) {
      errors = null
      line = number
      if (!isUtf8(source.subarray(start, end)))
        wrong('invalid_json_line', null, 'This line is not valid UTF-8. Save the file as UTF-8.')
      else if (!scan(source, start, end)) wrong('invalid_json_line', null, 'This line is not parseable as valid JSON.')
      else checkTop()
      if (errors) return { kind: 'bad', errors }
      return {
        kind: 'good',
        customIdStart: startOf(top, idAt),
        customIdEnd: endOf(top, idAt),
        bodyStart: startOf(top, bodyAt),
        bodyEnd: endOf(top, bodyAt),
        inputs: endpoint.countsInputs ? countInputs() : 0,
        tokens: tokensOfLine(endOf(top, bodyAt) - startOf(top, bodyAt), limitsAt.length > 0, outputLimit()),
      }
    },
  }
}

const startOf = ({ starts }: Members, at: number): number => starts[at] ?? -1
const endOf = ({ ends }: Members, at: number): number => ends[at] ?? -1

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
