/**
 * Fetches what a caller names by a web address, and nothing that this machine can reach and the caller cannot. Each hop of a redirect goes through the same:
 * rules, one look-up, a check of every address, a connection to a checked one (`hop.ts`). The request has no header of a caller or of ours but the three of
 * `hop.ts`: no key, no cookie, no referer. Nothing is retried: who calls knows whether to.
 */
import { encoded, stalled, tooLarge, tooLate, tooManyRedirects, unreachable, wrongStatus } from '../../domain/fetch-error.ts'
import { checkAddress, checkRedirect, type FetchRules, type Target } from '../../domain/fetch-rules.ts'
import { fileNameOf } from '../../domain/file-name.ts'
import { systemClock, type Clock } from '../../kit/clock.ts'
import { boundedBody } from './body.ts'
import type { Content, FetchLimits } from './content.ts'
import { systemDial, type Dial } from './dial.ts'
import { ask, type Answer } from './hop.ts'
import { systemResolve, type Resolve } from './lookup.ts'
import { startWatch, type Watch } from './watch.ts'

/** Open until its bytes are read, reading them is broken off or fails, it is closed, or a limit ends it: reading throws then. */
export interface Fetched extends Content {
  /** Where the redirects ended. NOTE: with its query, which may be a secret. */
  readonly finalAddress: string
  close(): void
}

export interface FetchParts {
  readonly rules: FetchRules
  readonly limits: FetchLimits
  readonly signal: AbortSignal
  readonly clock?: Clock
  readonly resolve?: Resolve
  readonly dial?: Dial
}

export const maxRedirects = 3
const redirects = new Set([301, 302, 303, 307, 308])
/** What has a whole body. 206 is a part of which nobody asked. */
const whole = new Set([200, 201, 203])

/** Throws a `FetchError`, or the signal's reason; what it opened is closed then. */
export async function fetchGuarded(address: string, parts: FetchParts): Promise<Fetched> {
  const { rules, limits, signal, clock = systemClock, resolve = systemResolve, dial = systemDial } = parts
  signal.throwIfAborted()
  let target = checkAddress(address, rules)
  const late = (which: 'total' | 'stall') =>
    which === 'total' ? tooLate(target.origin, limits.totalMs) : stalled(target.origin, limits.stallMs)
  const watch = startWatch(limits, clock, signal, late)
  try {
    for (let followed = 0; ; followed++) {
      const answer = await ask(target, { rules, connectMs: limits.connectMs, clock, resolve, dial }, watch)
      const location = redirects.has(answer.status) ? answer.header('location') : null
      if (location === null) return fetched(target, answer, limits.maxBytes, watch)
      answer.close()
      if (followed === maxRedirects) throw tooManyRedirects(target.origin, maxRedirects)
      target = checkRedirect(target, location, rules)
    }
  } catch (error) {
    watch.end()
    throw error
  }
}

function fetched(target: Target, answer: Answer, maxBytes: number, watch: Watch): Fetched {
  if (!whole.has(answer.status)) throw wrongStatus(target.origin, answer.status)
  const encoding = answer.header('content-encoding')?.trim().toLowerCase() ?? ''
  if (encoding !== '' && encoding !== 'identity') throw encoded(target.origin)
  const length = answer.header('content-length')
  if (length !== null && !/^\d{1,15}$/.test(length)) throw unreachable(target.origin, 'its content-length is no number')
  const size = length === null ? null : Number(length)
  if (size !== null && size > maxBytes) throw tooLarge(target.origin, maxBytes)
  return {
    bytes: boundedBody(answer, target, maxBytes, watch),
    contentType: answer.header('content-type'),
    name: fileNameOf(answer.header('content-disposition'), target.path),
    size,
    finalAddress: target.origin + target.path,
    close: () => watch.end(),
  }
}
