/** The API over HTTP, typed: what the command line and the console use, and all that they know of the server. */
export interface BatchView {
  readonly id: string
  readonly status: string
  readonly endpoint: string
  readonly model: string | null
  readonly errors: {
    readonly data: readonly {
      readonly code: string
      readonly message: string
      readonly param: string | null
      readonly line: number | null
    }[]
  } | null
  readonly input_file_id: string
  readonly output_file_id: string | null
  readonly error_file_id: string | null
  readonly created_at: number
  readonly expires_at: number
  readonly completed_at: number | null
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number }
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number; readonly total_tokens: number }
  readonly metadata: Readonly<Record<string, string>> | null
}
export interface FileView {
  readonly id: string
  readonly filename: string
  readonly bytes: number
}
export interface Page<T> {
  readonly data: readonly T[]
  readonly has_more: boolean
}

export interface NewBatch {
  readonly input_file_id: string
  readonly endpoint: string
  readonly completion_window: string
  readonly metadata?: Readonly<Record<string, string>>
}

/** Which of the failed lines are retried; neither: all of them. */
export interface Retry {
  readonly codes?: readonly string[]
  readonly statuses?: readonly number[]
}

/** Lines that have ended, whole; `after` is for the next page. `incomplete`: there is more, or may be. */
export interface ResultsPage {
  readonly lines: Uint8Array
  readonly after: string
  readonly incomplete: boolean
}

/** What the server answered, or `status` 0: it could not be reached. */
export class ClientError extends Error {
  override name = 'ClientError'
  readonly status: number
  readonly code: string | null
  readonly requestId: string | null
  constructor(status: number, code: string | null, message: string, requestId: string | null, options?: ErrorOptions) {
    super(message, options)
    this.status = status
    this.code = code
    this.requestId = requestId
  }
}

export interface Client {
  readonly url: string
  upload(file: { name: string; stream: () => AsyncIterable<Uint8Array> }, signal?: AbortSignal): Promise<FileView>
  createBatch(batch: NewBatch, signal?: AbortSignal): Promise<BatchView>
  getBatch(id: string, signal?: AbortSignal): Promise<BatchView>
  listBatches(page: { after?: string; limit?: number }, signal?: AbortSignal): Promise<Page<BatchView>>
  cancelBatch(id: string, signal?: AbortSignal): Promise<BatchView>
  /** A new batch of the lines that failed. */
  retryBatch(id: string, retry: Retry, signal?: AbortSignal): Promise<BatchView>
  /** The results of a batch so far, behind a position; each line is in one page. A page that broke off is asked for again. */
  results(id: string, after: string | null, signal?: AbortSignal): Promise<ResultsPage>
  /** The bytes of a file or object, from a byte on. */
  content(id: string, from: number, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>
  models(signal?: AbortSignal): Promise<readonly string[]>
}

const triesAtMost = 4
const pauseMs = 400
const callMs = 60_000

export function openClient({ url, key }: { url: string; key: string }): Client {
  const root = `${url.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1`

  async function once(path: string, init: RequestInit & { duplex?: 'half' }): Promise<Response> {
    let response: Response
    try {
      response = await fetch(root + path, { ...init, headers: { ...init.headers, authorization: `Bearer ${key}` } })
    } catch (error) {
      if (init.signal?.aborted && !(init.signal.reason instanceof DOMException)) throw init.signal.reason
      throw new ClientError(0, null, `${root} cannot be reached. Is the server running there?`, null, { cause: error })
    }
    if (response.ok) return response
    const body = (await response.json().catch(() => null)) as { error?: { message?: string; code?: string | null } } | null
    throw new ClientError(
      response.status,
      body?.error?.code ?? null,
      body?.error?.message ?? `${root}${path} answered ${response.status}`,
      response.headers.get('x-request-id'),
    )
  }

  /** Calls that can be done twice are, when the server is away or busy. */
  async function patient(path: string, signal: AbortSignal | undefined, init: RequestInit = {}): Promise<Response> {
    for (let tries = 1; ; tries++) {
      try {
        return await once(path, { ...init, signal: AbortSignal.any([AbortSignal.timeout(callMs), ...(signal ? [signal] : [])]) })
      } catch (error) {
        const again = error instanceof ClientError && (error.status === 0 || error.status === 429 || error.status >= 500)
        if (!again || tries >= triesAtMost || signal?.aborted) throw error
        await new Promise((resolve) => setTimeout(resolve, pauseMs * tries))
      }
    }
  }

  /** Of an answer that can be asked for again: with its body, whole. */
  async function patientBytes(path: string, signal: AbortSignal | undefined): Promise<{ response: Response; bytes: Uint8Array }> {
    for (let tries = 1; ; tries++) {
      const response = await patient(path, signal)
      try {
        return { response, bytes: new Uint8Array(await response.arrayBuffer()) }
      } catch (error) {
        if (tries >= triesAtMost || signal?.aborted)
          throw new ClientError(0, null, `${root}${path} breaks off again and again`, null, { cause: error })
      }
    }
  }

  const json = async <T>(response: Promise<Response>): Promise<T> => (await (await response).json()) as T
  const created = (body: NewBatch | Retry): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
    body: JSON.stringify(body),
  })
  const named = (id: string) => encodeURIComponent(id)

  return {
    url,
    upload: ({ name, stream }, signal) =>
      json(once('/files', { method: 'POST', duplex: 'half', ...multipart(name, stream()), ...(signal ? { signal } : {}) })),
    createBatch: (batch, signal) => json(patient('/batches', signal, created(batch))),
    retryBatch: (id, retry, signal) => json(patient(`/batches/${named(id)}/retry`, signal, created(retry))),
    getBatch: (id, signal) => json(patient(`/batches/${named(id)}`, signal)),
    listBatches: ({ after, limit }, signal) =>
      json(
        patient(
          `/batches?${new URLSearchParams({ ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit: String(limit) }) }).toString()}`,
          signal,
        ),
      ),
    cancelBatch: (id, signal) => json(patient(`/batches/${named(id)}/cancel`, signal, { method: 'POST' })),
    async results(id, after, signal) {
      const query = after === null ? '' : `?${new URLSearchParams({ after }).toString()}`
      const { response, bytes } = await patientBytes(`/batches/${named(id)}/results${query}`, signal)
      return {
        lines: bytes,
        after: response.headers.get('x-next-after') ?? '',
        incomplete: response.headers.get('x-incomplete') === 'true',
      }
    },
    async content(id, from, signal) {
      const response = await once(`/files/${named(id)}/content`, {
        headers: from > 0 ? { range: `bytes=${from}-` } : {},
        ...(signal ? { signal } : {}),
      })
      return (response.body ?? []) as AsyncIterable<Uint8Array>
    },
    models: async (signal) => (await json<Page<{ id: string }>>(patient('/models', signal))).data.map((m) => m.id),
  }
}

/** The two fields of an upload, streamed. */
function multipart(name: string, file: AsyncIterable<Uint8Array>): Pick<RequestInit, 'headers' | 'body'> {
  const boundary = `nightshift-${crypto.randomUUID()}`
  const field = (head: string) => new TextEncoder().encode(`--${boundary}\r\ncontent-disposition: form-data; ${head}\r\n`)
  async function* body(): AsyncGenerator<Uint8Array> {
    yield field('name="purpose"')
    yield new TextEncoder().encode('\r\nbatch\r\n')
    yield field(`name="file"; filename="${name.replaceAll(/["\r\n\\]/g, '_')}"`)
    yield new TextEncoder().encode('content-type: application/jsonl\r\n\r\n')
    yield* file
    yield new TextEncoder().encode(`\r\n--${boundary}--\r\n`)
  }
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: ReadableStream.from(body()) as unknown as NonNullable<RequestInit['body']>,
  }
}
