import { readFileSync } from 'node:fs'
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import { SettingsError } from './error.ts'
import { options } from './options.ts'

/** The settings file as plain data, secrets filled in. Every problem names the line. */
export interface FileSettings {
  readonly values: ReadonlyMap<string, string>
  readonly backends: readonly Record<string, unknown>[]
  readonly buckets: readonly Record<string, unknown>[]
}
export const noFile: FileSettings = { values: new Map(), backends: [], buckets: [] }

export type Env = Readonly<Record<string, string | undefined>>

const paths = new Map<string, string>(Object.entries(options).map(([name, o]) => [o.at, name]))
const sections = new Set([...paths.keys()].filter((p) => p.includes('.')).map((p) => p.split('.')[0] ?? ''))

export function readSettingsFile(path: string, text: string, env: Env): FileSettings {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter })
  const lineOf = (offset: number | undefined) => counter.linePos(offset ?? 0).line
  const [problem] = document.errors
  if (problem)
    throw new SettingsError(`${path}, line ${lineOf(problem.pos[0])}: not valid YAML: ${problem.message.split('\n')[0]}`)
  if (document.contents === null) return noFile
  if (!isMap(document.contents)) throw new SettingsError(`${path}, line 1: expected settings by name, such as "port: 8090"`)

  const values = new Map<string, string>()
  const lists: Record<'backends' | 'buckets', Record<string, unknown>[]> = { backends: [], buckets: [] }
  const visit = (prefix: string, map: typeof document.contents): void => {
    if (!isMap(map)) return
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : ''
      const at = prefix + name
      const line = lineOf(key.range?.[0])
      const where = `${path}, line ${line}`
      if (at === 'backends' || at === 'buckets')
        lists[at] = entries(filled((value as { toJSON?(): unknown } | null)?.toJSON?.() ?? [], env, where), where, at)
      else if (prefix === '' && sections.has(at) && isMap(value)) visit(`${at}.`, value as never)
      else if (paths.has(at))
        values.set(paths.get(at) ?? '', flat(filled((value as { toJSON(): unknown }).toJSON(), env, where), where, at))
      else throw new SettingsError(`${where}: unknown setting '${at}'.${nearest(at)}`)
    }
  }
  visit('', document.contents)
  return { values, ...lists }
}

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

/** Fills in `${NAME}` from the environment and `{file: path}` from a file: the two ways in which a secret gets here. */
function filled(value: unknown, env: Env, where: string): unknown {
  if (typeof value === 'string')
    return value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const found = env[name]
      if (found === undefined) throw new SettingsError(`${where}: the variable ${name} is not set`)
      return found
    })
  if (Array.isArray(value)) return value.map((v) => filled(v, env, where))
  if (typeof value !== 'object' || value === null) return value
  const keys = Object.keys(value)
  if (keys.length === 1 && 'file' in value && typeof value.file === 'string') {
    try {
      return readFileSync(value.file, 'utf8').trim()
    } catch {
      throw new SettingsError(`${where}: the file ${value.file} cannot be read`)
    }
  }
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, filled(v, env, where)]))
}

function nearest(name: string): string {
  const known = [...paths.keys(), 'backends', 'buckets']
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
