import { backoffMs, type Backoff } from './backoff.ts'
import type { Ending, Outcome } from './outcome.ts'

/** What an outcome says about a line, before anything is counted. */
export type Verdict =
  /** It stands in the result. */
  | 'result'
  /** It costs an attempt; the last one stands in the result. */
  | 'burns'
  /** The backend's trouble or ours, not the line's: it is sent again for free. */
  | 'free'

const burningStatuses = new Set([408, 409, 425, 498, 500, 504])
const freeStatuses = new Set([429, 502, 503])

/** What burns an attempt and what does not (docs/spec.md, I10). A connection that broke is judged where it is known what else broke with it. */
export function verdict(outcome: Exclude<Outcome, { kind: 'stopped' }>): Verdict {
  switch (outcome.kind) {
    case 'answered':
      if (freeStatuses.has(outcome.status)) return 'free'
      return burningStatuses.has(outcome.status) || outcome.status >= 500 ? 'burns' : 'result'
    case 'too-large':
      return 'result'
    case 'garbage':
    case 'broken':
      return 'burns'
    case 'timeout':
      return outcome.phase === 'connect' ? 'free' : 'burns'
    case 'unreachable':
    case 'ours':
      return 'free'
  }
}

/** How a line ends whose attempts are used up, or whose outcome is a result at once. */
export function endingOf(outcome: Exclude<Outcome, { kind: 'stopped' }>): Ending {
  switch (outcome.kind) {
    case 'answered':
      return outcome
    case 'too-large':
      return { kind: 'unanswered', code: 'response_too_large', message: `The answer is larger than ${outcome.limitBytes} bytes.` }
    case 'garbage':
      return { kind: 'unanswered', code: 'invalid_response', message: outcome.message }
    case 'timeout':
      return { kind: 'unanswered', code: 'request_timeout', message: 'The model did not answer in time.' }
    case 'broken':
    case 'unreachable':
    case 'ours':
      return {
        kind: 'unanswered',
        code: 'backend_unreachable',
        message: 'The connection to the model broke each time before the answer was whole.',
      }
  }
}

/** A line that waits longer than this for a `Retry-After` is not waiting for a backend but for an operator. */
const retryAfterAtMostMs = 300_000

/** How long a line waits before it is sent again: what the backend asked for, else back-off; never past the end of the window. */
export function retryWaitMs(
  outcome: Outcome,
  { tries, backoff, untilDeadlineMs, random }: { tries: number; backoff: Backoff; untilDeadlineMs: number; random: () => number },
): number {
  const asked = outcome.kind === 'answered' ? outcome.retryAfterMs : null
  const wait = asked === null ? backoffMs(tries, backoff, random) : Math.min(asked, retryAfterAtMostMs) * (1 + random() * 0.1)
  return Math.max(0, Math.min(wait, untilDeadlineMs))
}

/** `Retry-After` in both forms (RFC 9110, 10.2.3): seconds, or a date. null when it is neither. */
export function parseRetryAfter(text: string, now: number): number | null {
  if (/^\s*\d+(\.\d+)?\s*$/.test(text)) return Number(text) * 1000
  const at = Date.parse(text)
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}
