import { heardAs } from './audio.ts'

/** What the simulated models say: plausible, and the same for the same request and seed. */
export interface Answer {
  /** A text is sent as one. */
  readonly body: Record<string, unknown> | string
  readonly tokens: number
}

const sections = [
  'admin',
  'devel',
  'doc',
  'editors',
  'electronics',
  'fonts',
  'games',
  'gnome',
  'graphics',
  'interpreters',
  'kde',
  'libs',
  'mail',
  'math',
  'misc',
  'net',
  'perl',
  'python',
  'science',
  'sound',
  'text',
  'utils',
  'video',
  'web',
  'x11',
]
const bytesAToken = 4

/** FNV-1a, 32 bits. */
export function hashOf(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ (hash >>> 13)) >>> 0
}

const tokensOf = (text: string): number => Math.max(1, Math.ceil(text.length / bytesAToken))

type Body = Readonly<Record<string, unknown>>
type Made = (body: Body, prompt: string, hash: number, id: string) => Answer

/** One word of the answer, then filler up to the tokens that were asked for (16 at most). */
function words(prompt: string, hash: number, limit: unknown): { text: string; tokens: number; cut: boolean } {
  const word =
    sections.find((s) => new RegExp(`\\b${s}\\b`, 'i').test(prompt.slice(-2000))) ?? sections[hash % sections.length] ?? 'misc'
  const wanted = 1 + (hash % 8)
  const most = typeof limit === 'number' && limit > 0 ? limit : 16
  const tokens = Math.min(wanted, most)
  return { text: tokens > 1 ? `${word}${' indeed'.repeat(tokens - 1)}` : word, tokens, cut: wanted > most }
}

const now = () => Math.floor(Date.now() / 1000)

const chat: Made = (body, prompt, hash, id) => {
  const { text, tokens, cut } = words(prompt, hash, body.max_tokens ?? body.max_completion_tokens)
  const input = tokensOf(prompt)
  return {
    tokens,
    body: {
      id: `chatcmpl-${id}`,
      object: 'chat.completion',
      created: now(),
      model: body.model,
      system_fingerprint: 'simulated',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: cut ? 'length' : 'stop' }],
      usage: {
        prompt_tokens: input,
        completion_tokens: tokens,
        total_tokens: input + tokens,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
    },
  }
}

const completions: Made = (body, prompt, hash, id) => {
  const { text, tokens, cut } = words(prompt, hash, body.max_tokens)
  const input = tokensOf(prompt)
  return {
    tokens,
    body: {
      id: `cmpl-${id}`,
      object: 'text_completion',
      created: now(),
      model: body.model,
      system_fingerprint: 'simulated',
      choices: [{ index: 0, text, finish_reason: cut ? 'length' : 'stop', logprobs: null }],
      usage: { prompt_tokens: input, completion_tokens: tokens, total_tokens: input + tokens },
    },
  }
}

const responses: Made = (body, prompt, hash, id) => {
  const { text, tokens, cut } = words(prompt, hash, body.max_output_tokens)
  const input = tokensOf(prompt)
  return {
    tokens,
    body: {
      id: `resp_${id}`,
      object: 'response',
      created_at: now(),
      model: body.model,
      status: cut ? 'incomplete' : 'completed',
      incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
      error: null,
      metadata: { simulated: 'true' },
      output: [
        {
          type: 'message',
          id: `msg_${id}`,
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text, annotations: [] }],
        },
      ],
      usage: {
        input_tokens: input,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: tokens,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: input + tokens,
      },
    },
  }
}

const embeddings: Made = (body, prompt, hash) => {
  const inputs = Array.isArray(body.input) ? body.input : [body.input]
  const dimensions = typeof body.dimensions === 'number' && body.dimensions > 0 && body.dimensions <= 8192 ? body.dimensions : 64
  const vectors = inputs.map((_, i) => unitVector(dimensions, hash + i))
  const tokens = tokensOf(prompt)
  return {
    tokens: 0,
    body: {
      object: 'list',
      model: body.model,
      data: vectors.map((v, index) => ({
        object: 'embedding',
        index,
        embedding: body.encoding_format === 'base64' ? Buffer.from(Float32Array.from(v).buffer).toString('base64') : v,
      })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    },
  }
}

const transcription: Made = (body, prompt, hash) => {
  const { text, tokens } = words(prompt, hash, null)
  return { tokens, body: heardAs(body.response_format, text, Number(body.seconds)) }
}

function unitVector(dimensions: number, seed: number): number[] {
  let state = seed >>> 0
  const values = Array.from({ length: dimensions }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  })
  const length = Math.hypot(...values) || 1
  return values.map((v) => v / length)
}

/** Endpoint by path: what it needs, and how it answers. */
export const answers: Readonly<Record<string, { readonly needs: readonly string[]; readonly make: Made }>> = {
  '/v1/chat/completions': { needs: ['messages'], make: chat },
  '/v1/completions': { needs: ['prompt'], make: completions },
  '/v1/responses': { needs: ['input', 'prompt'], make: responses },
  '/v1/embeddings': { needs: ['input'], make: embeddings },
  '/v1/audio/transcriptions': { needs: ['file'], make: transcription },
  '/v1/audio/translations': { needs: ['file'], make: transcription },
}

/** The text that a request is about. */
export function promptOf(body: Body): string {
  const { messages, input, prompt, instructions } = body
  const about = messages ?? input ?? prompt ?? ''
  const text = (value: unknown): string =>
    typeof value === 'string'
      ? value
      : Array.isArray(value)
        ? value.map(text).join('\n')
        : typeof value === 'object' && value !== null && 'content' in value
          ? text(value.content)
          : typeof value === 'object' && value !== null && 'text' in value
            ? text(value.text)
            : ''
  return [instructions, about].map(text).join('\n')
}
