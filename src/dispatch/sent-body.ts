import { isAudio } from '../domain/endpoints.ts'
import { rewritten } from '../domain/rewrite.ts'
import { transcription } from './audio/transcription.ts'
import type { OpenAddress } from './fetch/content.ts'
import type { Upload } from './http/upload.ts'
import type { Flight, Lane } from './state.ts'

/** What goes out for a line: its body as it was written, as its backend wants it, or as a form with the audio that it names. */
export type SentBody = (flight: Flight, lane: Lane) => Buffer | Upload

export const sentBody =
  (open: OpenAddress): SentBody =>
  ({ feed: { endpoint, projectId }, line: { body } }, { rewrite }) => {
    if (isAudio(endpoint)) return transcription(body, rewrite?.model ?? null, projectId, open)
    return rewrite ? rewritten(body, rewrite) : body
  }
