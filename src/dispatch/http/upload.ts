import type { Answered } from '../../domain/outcome.ts'

/** A body that is made while it is sent. */
export interface Upload {
  /** Opened anew for each attempt. What it opened closes when the signal aborts. @throws {FetchError} or the signal's reason; anything else is our own trouble. */
  open(signal: AbortSignal): Promise<OpenUpload>
}

export interface OpenUpload {
  readonly contentType: string
  /** Bytes; null: that is known when they are sent. */
  readonly length: number | null
  /** @throws as `open` does. Not read after the signal has aborted. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** The answer as it counts. */
  read(answer: Answered): Answered
}
