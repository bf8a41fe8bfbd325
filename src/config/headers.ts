import { SettingsError } from './error.ts'

/** How a request is framed, and the connection under it, are nobody's to set. */
const framing = new Set(['connection', 'content-length', 'expect', 'keep-alive', 'transfer-encoding', 'upgrade'])
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

/** @throws {SettingsError} */
export function parseHeaders(value: unknown, where: string): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SettingsError(`${where} must be names and values`)
  return Object.fromEntries(Object.entries(value).map(([name, v]) => [nameOf(name, where), valueOf(String(v), name, where)]))
}

/** What goes into a header. Not shown: it may be a secret. @throws {SettingsError} */
export function valueOf(text: string, name: string, where: string): string {
  if (!fieldValue.test(text))
    throw new SettingsError(`${where}: the value of '${name}' has characters that no header may have, such as a line break`)
  return text
}

function nameOf(name: string, where: string): string {
  if (!token.test(name)) throw new SettingsError(`${where}: '${name}' is not the name of a header`)
  if (framing.has(name.toLowerCase()))
    throw new SettingsError(`${where}: '${name}' cannot be set: Nightshift sets it as it sends`)
  return name
}
