import { meaningOf } from './answers.ts'
import { backoffMs, type Backoff } from './backoff.ts'
import type { Answered, Outcome, ResultCode } from './outcome.ts'

/**
 * Shall a line be sent again, when, and what does it cost? An attempt is burnt only by the backend's own answers and by broken or late calls; a backend that
 * is away or full, and trouble of our own, cost none: that wait ends with the window or a stop.
 */
export interface RetryPolicy extends Backoff {
  readonly attempts: number
}

/** What a line has behind it, the outcome at hand not counted. */
export interface Tried {
  readonly burnt: number
  /** Attempts that cost nothing. */
  readonly spared: number
}

export type Verdict =
  /** `elsewhere`: another backend is better, if there is one. */
  | { readonly kind: 'again'; readonly burns: boolean; readonly waitMs: number; readonly elsewhere: boolean }
  /** The answer stands, whatever its status. */
  | { readonly kind: 'result'; readonly answer: Answered }
  | { readonly kind: 'failed'; readonly code: ResultCode; readonly message: string }

export const retryAfterAtMostMs = 300_000

/** `leftMs`: until the end of the window. While there is some left, no wait goes beyond it; after it a stop is on its way, and the line merely must not hammer. */
export function decide(outcome: Outcome, tried: Tried, policy: RetryPolicy, leftMs: number, random: () => number): Verdict {
  const cost = costOf(outcome)
  if (cost === 'final' || (cost === 'burns' && tried.burnt + 1 >= policy.attempts)) return lastOf(outcome, policy.attempts)
  const waitMs = waitOf(outcome, cost === 'burns' ? tried.burnt : tried.spared, policy, random)
  return {
    kind: 'again',
    burns: cost === 'burns',
    waitMs: leftMs > 0 ? Math.min(waitMs, leftMs) : waitMs,
    elsewhere: outcome.kind === 'broken' || outcome.kind === 'timeout' || tellsOfModels(outcome),
  }
}

/** Does it say that the backend no longer has the model? */
export const tellsOfModels = (outcome: Outcome): boolean => outcome.kind === 'answered' && meaningOf(outcome).stale === true

function costOf(outcome: Outcome): 'final' | 'burns' | 'spares' {
  switch (outcome.kind) {
    case 'answered':
      return meaningOf(outcome).line
    case 'broken':
      return 'burns'
    case 'timeout':
      return outcome.phase === 'connect' ? 'spares' : 'burns'
    case 'unreachable':
    case 'ours':
      return 'spares'
    case 'unfetched':
      return outcome.passing ? 'burns' : 'final'
    case 'too-large':
      return 'final'
  }
}

function lastOf(outcome: Outcome, attempts: number): Verdict {
  switch (outcome.kind) {
    case 'answered':
      return { kind: 'result', answer: outcome }
    case 'too-large':
      return failed('response_too_large', `The answer is larger than ${outcome.limitBytes} bytes.`)
    case 'unfetched':
      return failed(outcome.code, outcome.message)
    case 'timeout':
      return failed('request_timeout', `The model did not answer in time, in ${attempts} attempts.`)
    case 'broken':
    case 'unreachable':
    case 'ours':
      return failed(
        'backend_unreachable',
        `The connection to the model broke before the answer was whole, in ${attempts} attempts.`,
      )
  }
}

const failed = (code: ResultCode, message: string): Verdict => ({ kind: 'failed', code, message })

function waitOf(outcome: Outcome, failures: number, policy: RetryPolicy, random: () => number): number {
  switch (outcome.kind) {
    case 'answered': {
      if (outcome.retryAfterMs === null) return backoffMs(failures, policy, random)
      const asked = Math.min(outcome.retryAfterMs, retryAfterAtMostMs)
      return asked + backoffMs(0, policy, random) // NOTE: a backend tells the same time to many lines; they should not come back as one
    }
    case 'broken':
    case 'timeout':
    case 'unfetched':
      return backoffMs(failures, policy, random)
    case 'ours':
      return backoffMs(outcome.of === 'content' ? failures : 0, policy, random)
    case 'unreachable': // the lane waits for the backend; the line is to be there when it comes back
    case 'too-large':
      return backoffMs(0, policy, random)
  }
}

const dayFirst = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/

/** `Retry-After` in both forms (RFC 9110, 10.2.3), as milliseconds from `now`; null if it is neither. */
export function parseRetryAfter(text: string, now: number): number | null {
  const trimmed = text.trim()
  if (/^\d{1,9}(?:\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1000
  const at = dayFirst.test(trimmed) ? Date.parse(trimmed) : NaN
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}
