import { randomBytes } from 'node:crypto'

/** Lines of one batch, with a mark in each prompt by which the backend's sightings of them are told from all others. */
export interface Lines {
  readonly mark: string
  readonly customIds: readonly string[]
  readonly prompts: readonly string[]
  readonly text: string
}

export const model = process.env.NIGHTSHIFT_MODEL ?? 'night-1'

export const newMark = (): string => `m${randomBytes(6).toString('hex')}`

const bodies: Record<string, (prompt: string) => Record<string, unknown>> = {
  '/v1/chat/completions': (content) => ({ messages: [{ role: 'user', content }] }),
  '/v1/completions': (prompt) => ({ prompt }),
  '/v1/responses': (input) => ({ input }),
  '/v1/embeddings': (input) => ({ input }),
  '/v1/audio/transcriptions': (prompt) => ({ prompt }),
}

/** One request line. `change` overrides its keys (undefined leaves one out); `body` the keys of its body. */
export function line(
  customId: string,
  prompt: string,
  { url = '/v1/chat/completions', change = {}, body = {} }: { url?: string; change?: object; body?: object } = {},
): string {
  const built = { model, ...bodies[url]?.(prompt), ...body }
  return JSON.stringify({ custom_id: customId, method: 'POST', url, body: built, ...change })
}

/** A batch with one line a script: '' answers at once, '[[400]]' and so on as the scripted backend says. */
export function linesOf(
  scripts: readonly string[],
  { url = '/v1/chat/completions', body = {} }: { url?: string; body?: object } = {},
): Lines {
  const mark = newMark()
  const prompts = scripts.map((script, i) => `${mark} ${i} ${script}`)
  const customIds = scripts.map((_, i) => `line-${i}`)
  const text = prompts.map((prompt, i) => `${line(customIds[i] ?? '', prompt, { url, body })}\n`).join('')
  return { mark, customIds, prompts, text }
}

/** `B0` of the list: three good chat lines. */
export const threeLines = (): Lines => linesOf(['', '', ''])

export const times = (n: number, script = ''): string[] => Array.from({ length: n }, () => script)
