/** One row an endpoint: what a line of it must have in its body. A new endpoint is one row and its tests. */
export interface Endpoint {
  readonly url: string
  /** Body fields that must be there and not null, `model` apart. Each is an OR: one of the names is enough; the first is named in the error. */
  readonly required: readonly (readonly string[])[]
  /** Is it offered whatever the backends say? Others only when a backend lists them. */
  readonly always: boolean
  /** Inputs are counted over all lines of a batch, and bounded (contract 3.1). */
  readonly countsInputs?: boolean
  /** How the error for `stream: true` calls it (contract 6.3). */
  readonly title: string
}

export const endpoints: readonly Endpoint[] = [
  { url: '/v1/chat/completions', required: [['messages']], always: true, title: 'Chat Completions' },
  { url: '/v1/responses', required: [['input', 'prompt']], always: true, title: 'Responses' },
  { url: '/v1/embeddings', required: [['input']], always: true, title: 'Embeddings', countsInputs: true },
  { url: '/v1/completions', required: [['prompt']], always: false, title: 'Completions' },
  { url: '/v1/moderations', required: [['input']], always: false, title: 'Moderations' },
  { url: '/v1/rerank', required: [['query'], ['documents']], always: false, title: 'Rerank' },
  {
    url: '/v1/score',
    required: [
      ['text_1', 'queries'],
      ['text_2', 'documents'],
    ],
    always: false,
    title: 'Score',
  },
]

/** The urls that a batch may name: those that are always offered, and those that a backend has. `backends`: what each one's settings list, null for all; without a backend nobody knows, so all. */
export const offeredEndpoints = (backends: readonly (readonly string[] | null)[]): string[] =>
  endpoints
    .filter(({ always, url }) => always || backends.length === 0 || backends.some((has) => has === null || has.includes(url)))
    .map(({ url }) => url)

export const endpointOf = (url: string): Endpoint | undefined => endpoints.find((e) => e.url === url)
