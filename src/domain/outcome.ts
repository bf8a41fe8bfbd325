import type { FetchCode } from './fetch-error.ts'
import type { TimedBy, Usage } from './usage.ts'

export interface Answered {
  readonly kind: 'answered'
  readonly status: number
  readonly requestId: string | null
  readonly retryAfterMs: number | null
  /** As it came, unpacked if it was compressed. */
  readonly body: readonly Buffer[]
  /** Of the answer to a form: what its backend says that it is, or null. */
  readonly contentType?: string | null
  /** Of audio: how long it plays, as the file itself tells, or null; undefined: it was no audio. */
  readonly seconds?: number | null
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
  /** What the line names could not be fetched. `passing`: it may be otherwise the next time. */
  | { readonly kind: 'unfetched'; readonly code: FetchCode; readonly message: string; readonly passing: boolean }
  /** Our own trouble: sockets, DNS, memory; or, `content`, a store that has what the line names. */
  | { readonly kind: 'ours'; readonly message: string; readonly of?: 'content' }

export type ResultCode =
  | 'request_timeout'
  | 'backend_unreachable'
  | 'invalid_response'
  | 'response_too_large'
  | 'batch_expired'
  | 'batch_cancelled'
  | FetchCode

/** What a line came to for good: what stands in its result. */
export type Ending =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly requestId: string | null
      /** To be copied at once: its memory may be that of the next ending. */
      readonly body: readonly Buffer[]
      readonly usage: Usage
      /** Of audio: who told how long it plays. */
      readonly timedBy?: TimedBy
    }
  | { readonly kind: 'unanswered'; readonly code: ResultCode; readonly message: string }
