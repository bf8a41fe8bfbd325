/** Asked for as text (contract D23), an answer comes as a text or as JSON that holds it; what is an object already stays as it is. */
export function textAsJson(body: readonly Buffer[], contentType: string | null): Buffer[] | null {
  const bytes = Buffer.concat(body)
  const text = decoded(bytes)
  if (text === null) return null
  const value = /^application\/json\b/i.test(contentType?.trim() ?? '') ? parsed(text) : undefined
  if (typeof value === 'object' && value !== null) return [bytes]
  return [Buffer.from(JSON.stringify({ text: typeof value === 'string' ? value : text }))]
}

function decoded(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
