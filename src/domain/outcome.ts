import type { Usage } from './usage.ts'

export interface Answered {
  readonly kind: 'answered'
  readonly status: number
  readonly requestId: string | null
  readonly retryAfterMs: number | null
  /** As it came, unpacked if it was compressed. */
  readonly body: readonly Buffer[]
}

/** What one attempt (one HTTP try) came to. An attempt that we stopped ourselves has none. */
export type Outcome =
  | Answered
  /** The whole answer was over the limit; the rest was not read. */
  | { readonly kind: 'too-large'; readonly limitBytes: number }
  /** Nothing of the request can have reached the backend: refused, no way there, no such name. */
  | { readonly kind: 'unreachable'; readonly message: string }
  /** The connection broke after the request was written and before the answer was whole. */
  | { readonly kind: 'broken'; readonly message: string }
  | { readonly kind: 'timeout'; readonly phase: 'connect' | 'first-byte' | 'answer' }
  /** Our own trouble: sockets, DNS, memory. */
  | { readonly kind: 'ours'; readonly message: string }

export type ResultCode =
  'request_timeout' | 'backend_unreachable' | 'invalid_response' | 'response_too_large' | 'batch_expired' | 'batch_cancelled'

/** What a line came to for good: what stands in its result. */
export type Ending =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly requestId: string | null
      readonly body: readonly Buffer[]
      readonly usage: Usage
    }
  | { readonly kind: 'unanswered'; readonly code: ResultCode; readonly message: string }
