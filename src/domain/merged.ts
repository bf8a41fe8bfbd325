/** One line of an input and what came of it, as one: in JSON with the bytes of both as they are, or as a row of CSV (RFC 4180). */

/** A line of the input, and its result: where in `result` its custom_id ends, and its answer's body stands if it has one. */
export interface Merged {
  readonly customId: Buffer
  /** The body that was sent. */
  readonly request: Buffer
  readonly result: Buffer
  readonly customIdEnd: number
}

/** The result line with the request in it, behind the custom_id. */
export const mergedJson = ({ request, result, customIdEnd }: Merged): Buffer =>
  Buffer.concat([result.subarray(0, customIdEnd), requestKey, request, result.subarray(customIdEnd), newline])
const requestKey = Buffer.from(',"request":')
const newline = Buffer.from('\n')

/** A line as columns, by the names that they have in a table. null: there is none, as of a line that has no answer. */
export interface MergedRow {
  readonly custom_id: string
  readonly status: number | null
  /** What a person would call the answer; '' where it is no text (embeddings): it stands in `response`. */
  readonly answer: string | null
  readonly error_code: string | null
  readonly error_message: string | null
  /** Bodies as they were sent and answered. */
  readonly request: string
  readonly response: string | null
}
export const mergedColumns = [
  'custom_id',
  'status',
  'answer',
  'error_code',
  'error_message',
  'request',
  'response',
] as const satisfies readonly (keyof MergedRow)[]

export function mergedRow({ customId, request, result, customIdEnd }: Merged): MergedRow {
  const { response, error } = JSON.parse(result.toString()) as Result
  const failure = error ?? (response ? failureIn(response.body, response.status_code) : null)
  return {
    custom_id: JSON.parse(customId.toString()) as string,
    status: response ? response.status_code : null,
    answer: response && !failure ? answerIn(response.body) : null,
    error_code: failure?.code ?? null,
    error_message: failure?.message ?? null,
    request: request.toString(),
    response: response ? bodyOf(result, customIdEnd) : null,
  }
}

export const csvHead = `${mergedColumns.join(',')}\r\n`

export function mergedCsv(merged: Merged): string {
  const row = mergedRow(merged)
  return `${mergedColumns.map((name) => field(String(row[name] ?? ''))).join(',')}\r\n`
}

interface Result {
  readonly response: { readonly status_code: number; readonly body: unknown } | null
  readonly error: { readonly code: string; readonly message: string } | null
}

const field = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** The answer's body as the backend wrote it: behind the head that we gave it, before the tail. */
function bodyOf(result: Buffer, customIdEnd: number): string {
  const rest = result.toString('utf8', customIdEnd)
  const [head = ''] = /^,"response":\{"status_code":\d+,"request_id":"(?:[^"\\]|\\.)*","body":/.exec(rest) ?? []
  return rest.slice(head.length, -'},"error":null}'.length)
}

function answerIn(body: unknown): string {
  const [choice] = listIn(body, 'choices')
  const message = memberIn(choice, 'message')
  const text = choice === undefined ? textIn(body, 'text') : (textIn(message, 'content') ?? textIn(choice, 'text'))
  if (text !== undefined) return text
  const said = listIn(body, 'output').filter((item) => (textIn(item, 'type') ?? 'message') === 'message')
  return [message, ...said]
    .flatMap((item) => listIn(item, 'content'))
    .filter((part) => !/reason|think/.test(textIn(part, 'type') ?? ''))
    .map((part) => textIn(part, 'text') ?? '')
    .join('')
}

/** OpenAI's form; where the status tells that it failed, also a text alone, vLLM's older form (`message` and `code`) and FastAPI's (`detail`). */
function failureIn(body: unknown, status: number): { code: string; message: string } | null {
  const error = memberIn(body, 'error') ?? null
  if (error === null && status < 400) return null
  const told = typeof error === 'object' && error !== null ? error : body
  const message = [textIn(told, 'message'), error, memberIn(told, 'detail')].find((one) => typeof one === 'string')
  const code = memberIn(told, 'code')
  return {
    code: typeof code === 'string' || typeof code === 'number' ? String(code) : '',
    message: typeof message === 'string' ? message : '',
  }
}

const memberIn = (of: unknown, name: string): unknown =>
  typeof of === 'object' && of !== null && !Array.isArray(of) ? (of as Readonly<Record<string, unknown>>)[name] : undefined
const textIn = (of: unknown, name: string): string | undefined => {
  const value = memberIn(of, name)
  return typeof value === 'string' ? value : undefined
}
const listIn = (of: unknown, name: string): readonly unknown[] => {
  const value = memberIn(of, name)
  return Array.isArray(value) ? value : []
}
