import { audioNames } from './form.ts'

/** One row an endpoint: what a line of it must have in its body, how it is sent, and how it is billed. A new endpoint is one row and its tests. */
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
  /** Bodies go out as forms, with the audio that they name, and what they use is counted in seconds if an answer tells no tokens. */
  readonly audio?: boolean
  /** Bodies may show images, by address or as they are. */
  readonly images?: boolean
  /** Fields that bound how long an answer may be, in tokens; without them answers have none. */
  readonly outputLimits?: readonly string[]
  /** What a batch cannot honour, and why: a field that is false or null asks for nothing. */
  readonly cannot?: readonly (readonly [name: string, why: string])[]
}

export const endpoints: readonly Endpoint[] = [
  {
    url: '/v1/chat/completions',
    required: [['messages']],
    always: true,
    title: 'Chat Completions',
    images: true,
    outputLimits: ['max_completion_tokens', 'max_tokens'],
  },
  {
    url: '/v1/responses',
    required: [['input', 'prompt']],
    always: true,
    title: 'Responses',
    images: true,
    outputLimits: ['max_output_tokens'],
    cannot: [
      ['background', 'each request of a batch is waited for. Leave it out'],
      ['previous_response_id', 'requests of a batch run in any order, on any server. Give what was said before in the input'],
    ],
  },
  { url: '/v1/embeddings', required: [['input']], always: true, title: 'Embeddings', countsInputs: true },
  { url: '/v1/audio/transcriptions', required: [audioNames], always: true, title: 'Transcriptions', audio: true },
  { url: '/v1/audio/translations', required: [audioNames], always: false, title: 'Translations', audio: true },
  { url: '/v1/completions', required: [['prompt']], always: false, title: 'Completions', outputLimits: ['max_tokens'] },
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

const audioUrls = new Set(endpoints.filter(({ audio }) => audio).map(({ url }) => url))
export const isAudio = (url: string): boolean => audioUrls.has(url)

const imageUrls = new Set(endpoints.filter(({ images }) => images).map(({ url }) => url))
export const mayShow = (url: string): boolean => imageUrls.has(url)

/** Are files and objects read for its lines, beside the input? */
export const readsForLines = (url: string, inlinesImages: boolean): boolean => isAudio(url) || (inlinesImages && mayShow(url))

export const endpointOf = (url: string): Endpoint | undefined => endpoints.find((e) => e.url === url)
