import type { BlobRange } from '../../blobs/blobs.ts'
import type { Publication } from '../../store/publish.ts'

/** The bytes of a result file. Each form can be asked for again. */
export interface ResultFile {
  stream(signal: AbortSignal): AsyncIterable<Buffer>
  /** Where all of them lie as blobs of the scratch, in order; null: some do not. */
  stretches(): Promise<readonly BlobRange[] | null>
}

/** What there is to write of a batch. */
export interface Results {
  readonly output: ResultFile | null
  readonly error: ResultFile | null
  /** Every line has its result, so the bytes are the same whoever composes and however the batch ends. */
  readonly whole: boolean
  /** Their sizes, where they are known before. */
  readonly bytes?: { readonly output?: number; readonly error?: number }
}
/** Where the results were written, as publishing will say it. */
export type Placed = Pick<Publication, 'outputFileId' | 'errorFileId' | 'files' | 'objects' | 'objectsExpireAt'>
