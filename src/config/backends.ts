import type { BackendTls } from '../domain/backend-tls.ts'
import { endpointOf, endpoints } from '../domain/endpoints.ts'
import { SettingsError } from './error.ts'
import { onlyKnown } from './known.ts'
import type { Env } from './file.ts'
import { parseHeaders, valueOf } from './headers.ts'
import { proxyFor } from './proxy.ts'
import { parseTls } from './tls.ts'

/** A backend of the settings; what is null is the default of all. */
export interface BackendEntry {
  readonly url: string
  readonly key: string | null
  readonly headers: Readonly<Record<string, string>>
  readonly models: readonly string[] | null
  readonly endpoints: readonly string[] | null
  readonly maxInFlight: number | null
  /** Names that batches say, and what this backend knows them as. */
  readonly aliases: Readonly<Record<string, string>>
  /** Added to bodies that have none. */
  readonly priority: number | null
  /** Its part of the lines where several backends have a model, beside what is free. */
  readonly weight: number
  readonly tls: BackendTls | null
  /** The proxy through which it is called, of the environment. */
  readonly proxy: string | null
}

/** One of which no more is said than its address. @throws {SettingsError} */
export function plainBackend(text: string, where: string, env: Env): BackendEntry {
  return parseBackend({ url: text, key: env.NIGHTSHIFT_BACKEND_KEY ?? null }, { where, base: '.', env })
}

/** With or without `/v1`, no slash at the end. */
export function parseBackendUrl(text: string, where: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new SettingsError(
      `${where}: '${url ? url.origin + url.pathname : text}' is not the address of a backend. Give one such as http://127.0.0.1:8000; its key goes into NIGHTSHIFT_BACKEND_KEY or the settings file.`,
    )
  return (url.origin + url.pathname).replace(/\/+$/, '').replace(/\/v1$/, '')
}

const backendKeys = ['url', 'key', 'headers', 'models', 'aliases', 'endpoints', 'maxInFlight', 'priority', 'weight', 'tls']

export interface BackendSource {
  readonly where: string
  /** Where files are found from. */
  readonly base: string
  readonly env: Env
}

/** @throws {SettingsError} */
export function parseBackend(entry: Record<string, unknown>, { where, base, env }: BackendSource): BackendEntry {
  onlyKnown(entry, backendKeys, `${where}: a backend`)
  const {
    url,
    key = null,
    headers = {},
    models = null,
    endpoints: listed = null,
    maxInFlight = null,
    aliases = {},
    priority = null,
    weight = 1,
    tls = null,
  } = entry
  if (typeof url !== 'string') throw new SettingsError(`${where}: a backend needs a url`)
  const address = parseBackendUrl(url, where)
  if (key !== null && typeof key !== 'string') throw new SettingsError(`${where}: the key of ${address} must be text`)
  if (maxInFlight !== null && !(Number.isInteger(maxInFlight) && Number(maxInFlight) >= 1))
    throw new SettingsError(`${where}: maxInFlight of ${address} must be a whole number from 1`)
  if (priority !== null && !Number.isSafeInteger(priority))
    throw new SettingsError(`${where}: priority of ${address} must be a whole number; vLLM takes lower ones first`)
  if (typeof weight !== 'number' || !(weight > 0 && weight <= 1e6))
    throw new SettingsError(`${where}: weight of ${address} must be a number above 0, such as 2 for twice the lines`)
  return {
    url: address,
    key: key === null ? null : valueOf(key, 'key', `${where}: backend ${address}`),
    headers: parseHeaders(headers, `${where}: the headers of ${address}`),
    models: texts(models, where, 'models'),
    endpoints: knownEndpoints(texts(listed, where, 'endpoints'), where),
    maxInFlight: maxInFlight === null ? null : Number(maxInFlight),
    aliases: aliasesOf(aliases, `${where}: aliases of ${address}`),
    priority: priority === null ? null : Number(priority),
    weight,
    tls: parseTls(tls, where, address, base),
    proxy: proxyFor(address, env),
  }
}

function aliasesOf(value: unknown, where: string): Readonly<Record<string, string>> {
  const pairs = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value as object) : null
  if (!pairs?.every((pair): pair is [string, string] => typeof pair[1] === 'string' && pair[0] !== '' && pair[1] !== ''))
    throw new SettingsError(`${where} must be names that batches say, each with the backend's own: { small: org/Small-3.2 }`)
  return Object.fromEntries(pairs)
}

function knownEndpoints(listed: readonly string[] | null, where: string): readonly string[] | null {
  const unknown = listed?.find((url) => !endpointOf(url))
  if (unknown !== undefined)
    throw new SettingsError(
      `${where}: there is no endpoint '${unknown}'. There are: ${endpoints.map(({ url }) => url).join(', ')}.`,
    )
  return listed
}

function texts(value: unknown, where: string, name: string): readonly string[] | null {
  if (value === null) return null
  if (!Array.isArray(value) || value.some((v) => typeof v !== 'string'))
    throw new SettingsError(`${where}: ${name} must be a list of names`)
  return value as string[]
}
