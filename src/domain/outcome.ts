import type { StopReason } from './stop.ts'
import type { Usage } from './usage.ts'

/** What one attempt (one HTTP try) came to. */
export type Outcome =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly requestId: string | null
      readonly retryAfterMs: number | null
      readonly body: readonly Buffer[]
      readonly usage: Usage
    }
  /** 2xx, but not UTF-8 JSON. */
  | { readonly kind: 'garbage'; readonly message: string }
  /** The whole answer was over the limit; the rest was not read. */
  | { readonly kind: 'too-large'; readonly limitBytes: number }
  /** Nothing of the request can have reached the backend: refused, or a reused idle socket that was already closed. */
  | { readonly kind: 'unreachable'; readonly message: string }
  /** The connection broke after the request was written and before the answer was whole. */
  | { readonly kind: 'broken'; readonly message: string }
  | { readonly kind: 'timeout'; readonly phase: 'connect' | 'first-byte' | 'answer' }
  /** Our own trouble: sockets, DNS, memory. */
  | { readonly kind: 'ours'; readonly message: string }
  | { readonly kind: 'stopped'; readonly why: StopReason }

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
