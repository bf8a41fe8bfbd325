import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import type * as Yaml from 'yaml'
import { SettingsError } from './error.ts'
import { options } from './options.ts'
import { secretKeys } from './s3.ts'

/** The settings file as plain data, secrets filled in (those of S3: where they are kept). Every problem names the line. */
export interface FileSettings {
  readonly values: ReadonlyMap<string, string>
  readonly backends: readonly Record<string, unknown>[]
  readonly buckets: readonly Record<string, unknown>[]
  readonly prices: readonly Record<string, unknown>[]
  readonly issuers: readonly Record<string, unknown>[]
  /** Blobs on S3, field by field. */
  readonly blobs: { readonly fields: Record<string, unknown>; readonly where: string } | null
}
export const noFile: FileSettings = { values: new Map(), backends: [], buckets: [], prices: [], issuers: [], blobs: null }

const none: readonly Record<string, unknown>[] = []

export type Env = Readonly<Record<string, string | undefined>>

const paths = new Map<string, string>(Object.entries(options).map(([name, o]) => [o.at, name]))
const sections = new Set([...paths.keys()].filter((p) => p.includes('.')).map((p) => p.split('.')[0] ?? ''))

export function readSettingsFile(path: string, text: string, env: Env): FileSettings {
  const { isMap, isScalar, LineCounter, parseDocument } = createRequire(import.meta.url)('yaml') as typeof Yaml // NOTE: late: who has no settings file need not wait for it
  const counter = new LineCounter()
  const document = parseDocument(quoted(text), { lineCounter: counter })
  const lineOf = (offset: number | undefined) => counter.linePos(offset ?? 0).line
  const [problem] = document.errors
  if (problem)
    throw new SettingsError(`${path}, line ${lineOf(problem.pos[0])}: not valid YAML: ${problem.message.split('\n')[0]}`)
  if (document.contents === null) return noFile
  if (!isMap(document.contents)) throw new SettingsError(`${path}, line 1: expected settings by name, such as "port: 8090"`)

  const values = new Map<string, string>()
  const lists = { backends: none, buckets: none, prices: none, issuers: none }
  let blobs: FileSettings['blobs'] = null
  const visit = (prefix: string, map: typeof document.contents): void => {
    if (!isMap(map)) return
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : ''
      const at = prefix + name
      const line = lineOf(key.range?.[0])
      const where = `${path}, line ${line}`
      const fill = (plain: unknown, keep?: ReadonlySet<string>) =>
        filled(plain, { env, where, base: dirname(resolve(path)), keep })
      const plain = (value as { toJSON?(): unknown } | null)?.toJSON?.() ?? null
      if (at === 'backends' || at === 'prices' || at === 'issuers') lists[at] = entries(fill(plain ?? []), where, at)
      else if (at === 'buckets') lists[at] = entries(fill(plain ?? [], secretKeys), where, at)
      else if (at === 'blobs' && isMap(value)) blobs = { fields: fill(plain, secretKeys) as Record<string, unknown>, where }
      else if (prefix === '' && sections.has(at) && isMap(value)) visit(`${at}.`, value as never)
      else if (paths.has(at)) values.set(paths.get(at) ?? '', flat(fill(plain), where, at))
      else throw new SettingsError(`${where}: unknown setting '${at}'.${nearest(at)}`)
    }
  }
  visit('', document.contents)
  return { values, ...lists, blobs }
}

/** Within braces YAML takes that of a variable for its own: one that stands alone is read as it is meant. */
const quoted = (text: string): string =>
  text.replaceAll(/(:[ \t]+)(\$\{[A-Za-z_][A-Za-z0-9_]*\})(?=[ \t]*(?:[,}\]]|#|$))/gm, '$1"$2"')

function entries(value: unknown, where: string, at: string): Record<string, unknown>[] {
  if (!Array.isArray(value) || value.some((v) => typeof v !== 'object' || v === null))
    throw new SettingsError(`${where}: '${at}' must be a list of settings by name`)
  return value as Record<string, unknown>[]
}

function flat(value: unknown, where: string, at: string): string {
  if (Array.isArray(value)) return value.map(String).join(',')
  if (typeof value === 'object' && value !== null) throw new SettingsError(`${where}: '${at}' must be one value`)
  return String(value)
}

interface Filling {
  readonly env: Env
  readonly where: string
  /** Where files are found from. */
  readonly base: string
  /** Keys of which the value stays where it is kept. */
  readonly keep: ReadonlySet<string> | undefined
}

/** Fills in `${NAME}` from the environment and `{file: path}` from a file: the two ways in which a secret gets here. */
function filled(value: unknown, filling: Filling): unknown {
  if (typeof value === 'string')
    return value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => variableOf(name, filling))
  if (Array.isArray(value)) return value.map((v) => filled(v, filling))
  if (typeof value !== 'object' || value === null) return value
  const path = fileOf(value, filling)
  if (path !== null) return textOf(path, filling)
  return Object.fromEntries(
    Object.entries(value).map(([k, v]) => [k, filling.keep?.has(k) ? kept(v, filling) : filled(v, filling)]),
  )
}

/** Where a secret is kept, as long as it is there; anything else as it would be filled in. */
function kept(value: unknown, filling: Filling): unknown {
  const [, variable] = typeof value === 'string' ? (/^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(value) ?? []) : []
  if (variable !== undefined) return variableOf(variable, filling) && { variable }
  const file = fileOf(value, filling)
  if (file === null) return filled(value, filling)
  return textOf(file, filling) && { file }
}

function variableOf(name: string, { env, where }: Filling): string {
  const found = env[name]
  if (found === undefined) throw new SettingsError(`${where}: the variable ${name} is not set`)
  return found
}

const fileOf = (value: unknown, { base }: Filling): string | null =>
  typeof value === 'object' &&
  value !== null &&
  Object.keys(value).length === 1 &&
  'file' in value &&
  typeof value.file === 'string'
    ? resolve(base, value.file)
    : null

function textOf(path: string, { where }: Filling): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    throw new SettingsError(`${where}: the file ${path} cannot be read`)
  }
}

function nearest(name: string): string {
  const known = [...paths.keys(), 'backends', 'buckets', 'prices', 'issuers']
  const best = known.map((k) => [k, distance(k.toLowerCase(), name.toLowerCase())] as const).toSorted((a, b) => a[1] - b[1])[0]
  return best && best[1] <= 3 ? ` Did you mean '${best[0]}'?` : ` Known are: ${known.join(', ')}.`
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length] ?? 0
}
