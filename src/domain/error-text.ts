/** What an error's body says of itself, as far as it says it. */
interface Told {
  readonly message?: unknown
  readonly type?: unknown
  readonly code?: unknown
  readonly error?: unknown
  readonly error_type?: unknown
  readonly detail?: unknown
}

/** Longer bodies are pages, or repeat the request. */
const maxBodyBytes = 64 * 1024
const maxMessage = 500

/**
 * The type, the code and the beginning of the message of an error, a line each: of OpenAI's form (`error.message`) as vLLM, llama.cpp and Ollama have it too, vLLM's
 * older one and TEI's (`message`), TGI's (`error`, a text), FastAPI's (`detail`). Of a body that is not JSON, its beginning, as one line.
 */
export function errorText(body: readonly Buffer[]): string {
  if (body.reduce((sum, { length }) => sum + length, 0) > maxBodyBytes) return ''
  const text = Buffer.concat(body).toString()
  try {
    return linesOf(JSON.parse(text))
  } catch {
    return oneLine(text)
  }
}

function linesOf(value: unknown): string {
  if (typeof value === 'string') return oneLine(value)
  if (typeof value !== 'object' || value === null) return ''
  const { message, type, code, error, error_type, detail }: Told = value
  const within = [error, detail].find((one) => typeof one === 'object' && one !== null && !Array.isArray(one))
  if (within !== undefined) return linesOf(within)
  return [type, code, error_type, message, error, detail]
    .filter((one) => typeof one === 'string' || typeof one === 'number')
    .map((one) => oneLine(String(one)))
    .join('\n')
}

const oneLine = (text: string): string => text.slice(0, maxMessage).replaceAll(/\s+/g, ' ').trim()
