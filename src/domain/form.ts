import { scanJson } from './json-scan.ts'

/** A line's body as the form that a transcription is asked for with. */
export interface Form {
  /** Where the audio lies; null: the body names it by something that is no text. */
  readonly address: string | null
  readonly fields: readonly FormField[]
  /** The answer is asked for as text: `text`, `srt` or `vtt`. */
  readonly asText: boolean
}
export type FormField = readonly [name: string, value: string]

/** Where a body may name the audio: the first that is not null counts (contract D23). */
export const audioNames = ['file_url', 'url', 'file'] as const

const texts = new Set(['text', 'srt', 'vtt'])
/** A longer value is not taken apart. */
const maxTakenApart = 64 * 1024

/**
 * A body is a JSON object: the plan has checked it. Numbers stand as the user wrote them; a list is so many fields `name[]`, an object so many `name[key]`, which is
 * how OpenAI's clients send them; what is nested deeper is one field that holds JSON. `model`: in the place of the body's, as JSON.
 */
export function formOf(body: Buffer, model: Buffer | null = null): Form {
  const members = membersOf(body)
  if (model !== null) members.set('model', model)
  let address: string | null | undefined
  for (const name of audioNames) {
    const value = members.get(name)
    if (address === undefined && value !== undefined && !isNull(value)) address = textOf(value)
    members.delete(name)
  }
  const format = members.get('response_format')
  return {
    address: address ?? null,
    fields: [...members].flatMap(([name, value]) => fieldsOf(name, value)),
    asText: format !== undefined && texts.has(textOf(format) ?? ''),
  }
}

/** Of a name that stands twice the last one counts, as for `JSON.parse`. */
function membersOf(body: Buffer): Map<string, Buffer> {
  const members = new Map<string, Buffer>()
  let name = ''
  scanJson(body, 0, body.length, {
    key(depth, start, end) {
      if (depth === 1) name = JSON.parse(body.toString('utf8', start, end)) as string
    },
    value(depth, start, end) {
      if (depth === 1) members.set(name, body.subarray(start, end))
    },
  })
  return members
}

const isNull = (value: Buffer): boolean => value[0] === 0x6e
const textOf = (value: Buffer): string | null => (value[0] === 0x22 ? (JSON.parse(value.toString()) as string) : null)

function fieldsOf(name: string, value: Buffer): FormField[] {
  if (isNull(value)) return []
  const isNested = value[0] === 0x5b || value[0] === 0x7b
  if (!isNested) return [[name, textOf(value) ?? value.toString()]]
  return (value.length <= maxTakenApart ? takenApart(name, value) : null) ?? [[name, value.toString()]]
}

/** null: there is something nested in it. */
function takenApart(name: string, value: Buffer): FormField[] | null {
  if (Object.values(JSON.parse(value.toString()) as object).some((item) => typeof item === 'object' && item !== null)) return null
  const list = name.endsWith('[]') ? name : `${name}[]`
  const pairs: (readonly [string, Buffer])[] =
    value[0] === 0x5b
      ? itemsOf(value.toString()).map((item) => [list, Buffer.from(item)])
      : [...membersOf(value)].map(([key, item]) => [`${name}[${key}]`, item])
  return pairs.filter(([, item]) => !isNull(item)).map(([at, item]) => [at, textOf(item) ?? item.toString()])
}

/** Of a list with nothing nested in it: each as it was written. */
const itemsOf = (list: string): string[] => list.match(/"(?:[^"\\]|\\.)*"|[^\s,[\]]+/g) ?? []
