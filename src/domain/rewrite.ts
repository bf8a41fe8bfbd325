import { memberAt, memberNames } from './json-member.ts'
import { scanJson } from './json-scan.ts'

/** What a backend wants otherwise in a body than the user wrote it: JSON values, as bytes. */
export interface Rewrite {
  /** In the place of the model's value. */
  readonly model: Buffer | null
  /** A `priority`, where the body has none of its own. */
  readonly priority: Buffer | null
}

const names = memberNames(['model', 'priority'])
const [modelAt, priorityAt] = [0, 1]
const openBrace = 0x7b

/**
 * The body as this backend wants it; all other bytes are those that the user wrote. Where a name stands twice, the last one counts for most servers, and the first
 * one for some: each `model` is replaced. The body is a JSON object with a model: the plan has checked it.
 */
export function rewritten(body: Buffer, { model, priority }: Rewrite): Buffer {
  const models: [start: number, end: number][] = []
  let hasPriority = false
  let member = -1
  scanJson(body, 0, body.length, {
    key(depth, start, end) {
      if (depth === 1) member = memberAt(names, body, start, end)
    },
    value(depth, start, end) {
      if (depth !== 1) return
      if (member === modelAt) models.push([start, end])
      else if (member === priorityAt) hasPriority = true
    },
  })
  const pieces: Uint8Array[] = []
  let at = 0
  if (priority !== null && !hasPriority) {
    at = body.indexOf(openBrace) + 1
    pieces.push(body.subarray(0, at), Buffer.from('"priority":'), priority, Buffer.from(','))
  }
  if (model !== null)
    for (const [start, end] of models) {
      pieces.push(body.subarray(at, start), model)
      at = end
    }
  pieces.push(body.subarray(at))
  return Buffer.concat(pieces)
}

/** What a backend has, by the names that batches say: its own, and the aliases of those that it has. */
export const withAliases = (models: readonly string[], aliases: Readonly<Record<string, string>> = {}): string[] => [
  ...new Set([
    ...models,
    ...Object.entries(aliases)
      .filter(([, own]) => models.includes(own))
      .map(([alias]) => alias),
  ]),
]
