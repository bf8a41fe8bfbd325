import type { Publication } from '../../store/publish.ts'

/** What there is to write of a batch, as streams that can be opened again. */
export interface Results {
  readonly output: ((signal: AbortSignal) => AsyncIterable<Buffer>) | null
  readonly error: ((signal: AbortSignal) => AsyncIterable<Buffer>) | null
  /** Every line has its result, so the bytes are the same whoever composes and however the batch ends. */
  readonly whole: boolean
  /** Their sizes, where they are known before. */
  readonly bytes?: { readonly output?: number; readonly error?: number }
}
/** Where the results were written, as publishing will say it. */
export type Placed = Pick<Publication, 'outputFileId' | 'errorFileId' | 'files' | 'objects' | 'objectsExpireAt'>
