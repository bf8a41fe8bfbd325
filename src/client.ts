import type { ErasureView } from './domain/erasure.ts'
import type { AuditView } from './domain/audit.ts'
import type { GrantView, KeyView, ProjectView } from './domain/admin-wire.ts'
import type { RateLimits } from './domain/rate.ts'
import type { DryRunView } from './domain/dry-run.ts'
import type { QuotaView, UsedQuotaView } from './domain/quota-wire.ts'
import type { DeliveryView, WebhookView } from './domain/webhook-wire.ts'

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
  readonly at_risk?: true
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number }
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number; readonly total_tokens: number }
  readonly metadata: Readonly<Record<string, string>> | null
}
export interface FileView {
  readonly id: string
  readonly filename: string
  readonly bytes: number
}
/** Sums of what batches have used. */
export interface UsageRowView {
  readonly date?: string
  readonly project_id?: string
  readonly project_name?: string
  readonly api_key_id?: string
  readonly model?: string
  readonly endpoint?: string
  readonly batches: number
  readonly requests: { readonly completed: number; readonly failed: number }
  readonly input_tokens: number
  readonly input_cached_tokens: number
  readonly output_tokens: number
  readonly total_tokens: number
  readonly seconds: number
  readonly cost?: { readonly value: number; readonly currency: string } | null
}
export interface UsageView {
  readonly start: string
  readonly end: string
  readonly data: readonly UsageRowView[]
}
export interface UsageAsk {
  readonly start?: string
  readonly end?: string
  readonly group_by?: string
}
export interface UsageOfAllAsk extends UsageAsk {
  /** By id or name. */
  readonly project?: string
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

/** A key that is to be made. `access`: projects by id or name, the first one its default; without rights, all that can be done with their data. */
export interface AuditAsk {
  /** By id or name. */
  readonly project?: string
  readonly limit?: number
}
export interface KeyOrder {
  readonly name: string
  readonly access?: readonly { readonly project: string; readonly rights?: readonly string[] }[]
  readonly operator?: boolean
  readonly limits?: RateLimits
  /** Seconds since 1970. */
  readonly expires_at?: number | null
}

/** What a project may have at most. */
export interface QuotaOrder {
  readonly project?: string
  readonly kind: string
  readonly model?: string
  readonly amount: number
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
  deleteFile(id: string): Promise<void>
  createBatch(batch: NewBatch, signal?: AbortSignal): Promise<BatchView>
  /** Checks the file and says what would come of a batch; nothing is made. */
  dryRun(batch: NewBatch, signal?: AbortSignal): Promise<DryRunView>
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
  /** What the project has used. */
  usage(ask: UsageAsk, signal?: AbortSignal): Promise<UsageView>
  /** What all projects have used, or one of them: for operators. */
  usageOfAll(ask: UsageOfAllAsk): Promise<UsageView>
  projects(): Promise<readonly ProjectView[]>
  createProject(name: string): Promise<ProjectView>
  /** `keep_days`: null is as the server does. */
  changeProject(
    id: string,
    change: { readonly name?: string; readonly weight?: number; readonly keep_days?: number | null },
  ): Promise<ProjectView>
  /** Begins it; asked for again, it tells how far it is. */
  eraseProject(id: string): Promise<ErasureView>
  /** Newest first. */
  erasures(): Promise<readonly ErasureView[]>
  keys(project: string | undefined): Promise<readonly KeyView[]>
  /** With the key itself, which is shown this once. */
  createKey(order: KeyOrder): Promise<KeyView & { readonly key: string }>
  revokeKey(id: string): Promise<void>
  /** Newest first, one page. */
  audit(ask: AuditAsk): Promise<readonly AuditView[]>
  buckets(): Promise<readonly GrantView[]>
  /** Of a project by id or name, or of that of the key; with what is used of each. */
  quotas(project: string | undefined): Promise<readonly UsedQuotaView[]>
  setQuota(quota: QuotaOrder): Promise<QuotaView>
  deleteQuota(quota: Omit<QuotaOrder, 'amount'>): Promise<void>
  webhooks(): Promise<readonly WebhookView[]>
  /** `events`: none is all. */
  createWebhook(url: string, events: readonly string[]): Promise<WebhookView & { readonly secret: string }>
  deleteWebhook(id: string): Promise<void>
  /** A new secret, with which events are signed beside the old one for a day. */
  rotateWebhook(id: string): Promise<WebhookView & { readonly secret: string }>
  enableWebhook(id: string): Promise<WebhookView>
  testWebhook(id: string): Promise<DeliveryView>
  deliveries(id: string, limit: number): Promise<readonly DeliveryView[]>
  replay(id: string, event: string): Promise<DeliveryView>
}

/** `fetch` says why only in the cause of what it throws. */
function cannotReach(root: string, error: unknown): string {
  const { code = '' } = ((error as { readonly cause?: unknown }).cause ?? {}) as { readonly code?: string }
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code)
    ? `The certificate of ${root} is not trusted here (${code}). Give the address by a name that stands in it, and its authority with NODE_EXTRA_CA_CERTS.`
    : `${root} cannot be reached. Is the server running there?`
}

const triesAtMost = 4
const pauseMs = 400
const callMs = 60_000

export interface Reach {
  readonly url: string
  readonly key: string
  /** Answers in the place of a server; what it throws is told as it is. */
  readonly fetch?: typeof fetch
}

export function openClient({ url, key, fetch: answering }: Reach): Client {
  const root = `${url.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1`

  async function once(path: string, init: RequestInit & { duplex?: 'half' }): Promise<Response> {
    let response: Response
    try {
      response = await (answering ?? fetch)(root + path, {
        ...init,
        headers: { ...init.headers, authorization: `Bearer ${key}` },
      })
    } catch (error) {
      if (init.signal?.aborted && !(init.signal.reason instanceof DOMException)) throw init.signal.reason
      if (answering) throw error
      throw new ClientError(0, null, cannotReach(root, error), null, { cause: error })
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
  const posted = (body: object, headers: Readonly<Record<string, string>> = {}): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const created = (body: NewBatch | Retry): RequestInit => posted(body, { 'idempotency-key': crypto.randomUUID() })
  const named = (id: string) => encodeURIComponent(id)

  return {
    url,
    upload: ({ name, stream }, signal) =>
      json(once('/files', { method: 'POST', duplex: 'half', ...multipart(name, stream()), ...(signal ? { signal } : {}) })),
    deleteFile: async (id) => void (await once(`/files/${named(id)}`, { method: 'DELETE' })),
    createBatch: (batch, signal) => json(patient('/batches', signal, created(batch))),
    dryRun: (batch, signal) => json(once('/batches?dry_run=true', { ...posted(batch), ...(signal ? { signal } : {}) })),
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
    usage: (ask, signal) => json(patient(`/usage?${new URLSearchParams({ ...ask }).toString()}`, signal)),
    usageOfAll: (ask) => json(patient(`/admin/usage?${new URLSearchParams({ ...ask }).toString()}`, undefined)),
    projects: async () => (await json<Page<ProjectView>>(patient('/admin/projects', undefined))).data,
    createProject: (name) => json(once('/admin/projects', posted({ name }))),
    changeProject: (id, change) => json(once(`/admin/projects/${named(id)}`, posted(change))),
    eraseProject: async (id) => json(once(`/admin/projects/${named(id)}`, { method: 'DELETE' })),
    erasures: async () => (await json<Page<ErasureView>>(patient('/admin/erasures', undefined))).data,
    keys: async (project) => {
      const query = project === undefined ? '' : `?${new URLSearchParams({ project }).toString()}`
      return (await json<Page<KeyView>>(patient(`/admin/keys${query}`, undefined))).data
    },
    createKey: (order) => json(once('/admin/keys', posted(order))),
    revokeKey: async (id) => void (await once(`/admin/keys/${named(id)}`, { method: 'DELETE' })),
    async audit({ project, limit }) {
      const query = new URLSearchParams({ ...(project && { project }), ...(limit && { limit: String(limit) }) })
      return (await json<Page<AuditView>>(patient(`/admin/audit?${query.toString()}`, undefined))).data
    },
    buckets: async () => (await json<Page<GrantView>>(patient('/admin/buckets', undefined))).data,
    quotas: async (project) => {
      const path = project === undefined ? '/quotas' : `/admin/quotas?${new URLSearchParams({ project }).toString()}`
      return (await json<Page<UsedQuotaView>>(patient(path, undefined))).data
    },
    setQuota: (quota) => json(once('/admin/quotas', posted(quota))),
    deleteQuota: async (quota) =>
      void (await once(`/admin/quotas?${new URLSearchParams({ ...quota }).toString()}`, { method: 'DELETE' })),
    webhooks: async () => (await json<Page<WebhookView>>(patient('/webhooks', undefined))).data,
    createWebhook: (address, events) => json(once('/webhooks', posted({ url: address, events }))),
    deleteWebhook: async (id) => void (await once(`/webhooks/${named(id)}`, { method: 'DELETE' })),
    rotateWebhook: (id) => json(once(`/webhooks/${named(id)}/rotate`, { method: 'POST' })),
    enableWebhook: (id) => json(once(`/webhooks/${named(id)}/enable`, { method: 'POST' })),
    testWebhook: (id) => json(once(`/webhooks/${named(id)}/test`, { method: 'POST' })),
    deliveries: async (id, limit) =>
      (await json<Page<DeliveryView>>(patient(`/webhooks/${named(id)}/deliveries?limit=${limit}`, undefined))).data,
    replay: (id, event) => json(once(`/webhooks/${named(id)}/deliveries/${named(event)}/replay`, { method: 'POST' })),
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
