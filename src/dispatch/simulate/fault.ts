import { chanceOf } from './chance.ts'
import type { SimulateSettings } from './settings.ts'

/**
 * What goes wrong with a request. A marker in its prompt says so, for a line that is to be followed; else chance does, by the rates of the settings:
 *   [[400]] [[503]]         answers that status, at once and without a slot        [[429 after 2]]  with `Retry-After: 2`; a 429 always has one
 *   [[reset]]               breaks the connection when the answer is due           [[crash]]        breaks all connections
 *   [[hang]]                keeps its slot and never answers                       [[garbage]]      a 200 that is not JSON
 *   [[slow-body 500]]       an answer in ten pieces over 500 ms                    [[slow 200]]     an answer 200 ms later
 *   [[big 10000000]]        an answer filled up to so many bytes with spaces
 * `x2` behind the word (`[[429x2]]`, `[[resetx1]]`) means the first two times that this request is seen; after that it is answered well.
 */
export type Fault =
  | { readonly kind: 'none' }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterSeconds: number | null }
  | { readonly kind: 'reset' }
  | { readonly kind: 'crash' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'garbage' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'slow-body'; readonly ms: number }
  | { readonly kind: 'big'; readonly bytes: number }

const none: Fault = { kind: 'none' }
const marker = /\[\[([45]\d\d|reset|crash|hang|garbage|slow-body|slow|big)(?:x(\d+))?(?: (\d+))?(?: after (\d+))?\]\]/

/** The fault of a request that is seen for the `times`th time (from 1). A retry has another chance than the try before it. */
export function faultOf(settings: SimulateSettings, prompt: string, digest: string, times: number): Fault {
  const scripted = prompt.includes('[[') ? marker.exec(prompt) : null
  if (scripted) {
    const [, word = '', first, value, after] = scripted
    return first !== undefined && times > Number(first) ? none : faultNamed(settings, word, value, after)
  }
  const { errorRate, resetRate, hangRate, garbageRate, slowBodyRate } = settings
  if (errorRate + resetRate + hangRate + garbageRate + slowBodyRate === 0) return none
  let at = chanceOf(settings.seed, `fault ${times} ${digest}`)()
  if ((at -= errorRate) < 0) return statusFault(settings, settings.errorStatus)
  if ((at -= resetRate) < 0) return { kind: 'reset' }
  if ((at -= hangRate) < 0) return { kind: 'hang' }
  if ((at -= garbageRate) < 0) return { kind: 'garbage' }
  if ((at -= slowBodyRate) < 0) return { kind: 'slow-body', ms: settings.slowBodyMs }
  return none
}

function faultNamed(settings: SimulateSettings, word: string, value?: string, after?: string): Fault {
  switch (word) {
    case 'reset':
    case 'crash':
    case 'hang':
    case 'garbage':
      return { kind: word }
    case 'slow':
      return { kind: word, ms: Number(value ?? 1000) }
    case 'slow-body':
      return { kind: word, ms: Number(value ?? settings.slowBodyMs) }
    case 'big':
      return { kind: word, bytes: Number(value ?? 0) }
    default:
      return statusFault(settings, Number(word), after)
  }
}

const statusFault = (settings: SimulateSettings, status: number, after?: string): Fault => ({
  kind: 'status',
  status,
  retryAfterSeconds: after !== undefined ? Number(after) : status === 429 ? settings.retryAfterSeconds : null,
})
