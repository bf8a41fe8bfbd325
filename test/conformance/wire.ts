import { expect } from 'vitest'

/** Where a caller stands: which server, as whom. */
export interface Door {
  readonly baseUrl: string
  readonly key: string
}

export interface Batch {
  readonly id: string
  readonly object: string
  readonly endpoint: string
  readonly model: string | null
  readonly errors: { readonly object: string; readonly data: readonly PlanError[] } | null
  readonly input_file_id: string
  readonly completion_window: string
  readonly status: string
  readonly output_file_id: string | null
  readonly error_file_id: string | null
  readonly created_at: number
  readonly in_progress_at: number | null
  readonly expires_at: number
  readonly finalizing_at: number | null
  readonly completed_at: number | null
  readonly failed_at: number | null
  readonly expired_at: number | null
  readonly cancelling_at: number | null
  readonly cancelled_at: number | null
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number }
  readonly usage: {
    readonly input_tokens: number
    readonly input_tokens_details: { readonly cached_tokens: number }
    readonly output_tokens: number
    readonly output_tokens_details: { readonly reasoning_tokens: number }
    readonly total_tokens: number
  }
  readonly metadata: Readonly<Record<string, string>> | null
}

export interface PlanError {
  readonly code: string
  readonly message: string
  readonly param: string | null
  readonly line: number | null
}

export interface File {
  readonly id: string
  readonly object: string
  readonly purpose: string
  readonly filename: string
  readonly bytes: number
  readonly created_at: number
  readonly expires_at: number | null
  readonly status: string
  readonly status_details: null
}

export interface Page<T> {
  readonly object: string
  readonly data: readonly T[]
  readonly first_id: string | null
  readonly last_id: string | null
  readonly has_more: boolean
}

export interface Failure {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | null
  }
}

/** An HTTP answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: unknown
}

export interface Asked {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | FormData | Uint8Array
  /** null: no Authorization at all. */
  readonly key?: string | null
}

/** One HTTP call. What must hold of every answer (contract 6.1, checks 1 and 7) is checked on each of them. */
export async function call(door: Door, method: string, path: string, { headers = {}, body, key }: Asked = {}): Promise<Answer> {
  const bearer = key === undefined ? door.key : key
  const response = await fetch(`${door.baseUrl}${path}`, {
    method,
    headers: {
      ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
      ...(typeof body === 'string' ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  const said = `${method} ${path} -> ${response.status} ${text.slice(0, 300)}`
  expect(response.headers.get('x-request-id') ?? '', said).not.toBe('')
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '')
  const answer = {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? (JSON.parse(text) as unknown) : undefined,
  }
  if (response.status >= 400) failureOf(answer)
  return answer
}

export const post = (door: Door, path: string, body: unknown, asked: Asked = {}): Promise<Answer> =>
  call(door, 'POST', path, { ...asked, body: JSON.stringify(body) })

/** The envelope of an error, with all four keys and of the right types; no stack trace gets out. */
export function failureOf(answer: Answer): Failure['error'] {
  const { error } = answer.json as Failure
  expect(Object.keys(error).toSorted(), answer.text).toEqual(['code', 'message', 'param', 'type'])
  expect(typeof error.message, answer.text).toBe('string')
  expect(error.message, answer.text).not.toMatch(/\n\s+at |node:internal|\.ts:\d/)
  expect(typeof error.type, answer.text).toBe('string')
  expect(error.param === null || typeof error.param === 'string', answer.text).toBe(true)
  expect(error.code === null || typeof error.code === 'string', answer.text).toBe(true)
  return error
}

/** The call was refused with this status, and says what is wrong. */
export function expectRefused(answer: Answer, status: number, error: Partial<Failure['error']> = {}): Failure['error'] {
  expect(answer.status, answer.text).toBe(status)
  const failure = failureOf(answer)
  expect(failure).toMatchObject(error)
  return failure
}

function good<T>(answer: Answer): T {
  expect(answer.status, answer.text).toBe(200)
  return answer.json as T
}

export interface UploadOptions extends Asked {
  readonly filename?: string
  readonly purpose?: string | null
  readonly expiresAfter?: { readonly anchor: string; readonly seconds: number }
}

/** An upload as the official Python client writes it: the fields first, then the file. `text` null: no file part. */
export function tryUpload(
  door: Door,
  text: string | Uint8Array<ArrayBuffer> | null,
  options: UploadOptions = {},
): Promise<Answer> {
  const { filename = 'a.jsonl', purpose = 'batch', expiresAfter, ...asked } = options
  const form = new FormData()
  if (purpose !== null) form.append('purpose', purpose)
  if (expiresAfter) {
    form.append('expires_after[anchor]', expiresAfter.anchor)
    form.append('expires_after[seconds]', String(expiresAfter.seconds))
  }
  if (text !== null) form.append('file', new Blob([text]), filename)
  return call(door, 'POST', '/v1/files', { ...asked, body: form })
}

export const upload = async (door: Door, text: string | Uint8Array<ArrayBuffer>, options: UploadOptions = {}): Promise<File> =>
  good(await tryUpload(door, text, options))

export const getFile = async (door: Door, id: string): Promise<File> => good(await call(door, 'GET', `/v1/files/${id}`))

export const getContent = async (door: Door, id: string): Promise<string> => {
  const answer = await call(door, 'GET', `/v1/files/${encodeURIComponent(id)}/content`)
  expect(answer.status, answer.text).toBe(200)
  return answer.text
}

export const listFiles = async (door: Door, query = ''): Promise<Page<File>> => good(await call(door, 'GET', `/v1/files${query}`))

export interface Creation {
  readonly input_file_id: string
  readonly endpoint?: string
  readonly completion_window?: string
  readonly metadata?: unknown
  readonly output_expires_after?: unknown
  readonly [extra: string]: unknown
}

export const tryCreate = (door: Door, creation: Creation, asked: Asked = {}): Promise<Answer> =>
  post(door, '/v1/batches', { endpoint: '/v1/chat/completions', completion_window: '24h', ...creation }, asked)

export const create = async (door: Door, creation: Creation, asked: Asked = {}): Promise<Batch> =>
  good(await tryCreate(door, creation, asked))

export const getBatch = async (door: Door, id: string): Promise<Batch> => good(await call(door, 'GET', `/v1/batches/${id}`))

export const cancel = async (door: Door, id: string): Promise<Batch> => good(await call(door, 'POST', `/v1/batches/${id}/cancel`))

export const listBatches = async (door: Door, query = ''): Promise<Page<Batch>> =>
  good(await call(door, 'GET', `/v1/batches${query}`))

/** Every batch of the project, newest first. */
export async function allBatches(door: Door, limit = 100): Promise<Batch[]> {
  const all: Batch[] = []
  for (let after = ''; ;) {
    const page = await listBatches(door, `?limit=${limit}${after}`)
    all.push(...page.data)
    if (!page.has_more) return all
    expect(page.data.length, 'an empty page that says has_more').toBeGreaterThan(0)
    after = `&after=${page.last_id}`
  }
}
