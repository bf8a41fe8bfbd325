import { isAudio, mayShow } from '../domain/endpoints.ts'
import { imagesIn } from '../domain/images.ts'
import { rewritten } from '../domain/rewrite.ts'
import { transcription } from './audio/transcription.ts'
import type { OpenAddress } from './fetch/content.ts'
import { inlined } from './inlined.ts'
import type { Upload } from './http/upload.ts'
import type { Flight, Lane } from './state.ts'

/** What goes out for a line: its body as it was written, as its backend wants it, as a form with the audio that it names, or with the images that it names within it. */
export type SentBody = (flight: Flight, lane: Lane) => Buffer | Upload

/** `imageBytes`: images that a line names are put into its body, together so many bytes at most; null: they are left to the backend to fetch. */
export const sentBody =
  (open: OpenAddress, imageBytes: number | null): SentBody =>
  ({ feed: { endpoint, projectId }, line: { body } }, { rewrite }) => {
    if (isAudio(endpoint)) return transcription(body, rewrite?.model ?? null, projectId, open)
    const written = rewrite ? rewritten(body, rewrite) : body
    if (imageBytes === null || !mayShow(endpoint)) return written
    const images = imagesIn(written)
    return images.length === 0 ? written : inlined(written, images, projectId, { open, maxBytes: imageBytes })
  }
