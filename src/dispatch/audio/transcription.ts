/**
 * A line of the audio endpoints on its way out: its audio is opened where the line says that it lies, and passes through into the form that backends want, in pieces.
 * Of the audio never more is held than tells its kind, or its size where nobody has told that. Beside it its length is listened for.
 */
import { randomBytes } from 'node:crypto'
import { describeAudio } from '../../domain/audio-kind.ts'
import { kindBytes } from '../../domain/media-type.ts'
import { invalidAddress } from '../../domain/fetch-error.ts'
import { formOf, type Form } from '../../domain/form.ts'
import { multipartFrame } from '../../domain/multipart.ts'
import type { Answered } from '../../domain/outcome.ts'
import type { Content, OpenAddress } from '../fetch/content.ts'
import type { OpenUpload, Upload } from '../http/upload.ts'
import { readAhead } from '../read-ahead.ts'
import { openTap, type Tap } from './tap.ts'
import { textAsJson } from './text-answer.ts'

/** So much is held of audio of which nobody tells the size. */
const heldBytes = 1024 * 1024

/** `model`: in the place of the body's, as JSON; null: as it is. */
export function transcription(body: Buffer, model: Buffer | null, projectId: string, open: OpenAddress): Upload {
  return {
    async open(signal) {
      const form = formOf(body, model)
      if (form.address === null) throw invalidAddress('it is no text')
      return sendAudio(form, await open(form.address, projectId, signal), signal)
    },
  }
}

async function sendAudio(form: Form, content: Content, signal: AbortSignal): Promise<OpenUpload> {
  const ahead = await readAhead(content.bytes, content.size === null ? heldBytes : kindBytes, signal)
  const size = content.size ?? ahead.whole
  const { name, type } = describeAudio(content, ahead.head)
  const boundary = `nightshift-${randomBytes(16).toString('hex')}`
  const { contentType, head, tail } = multipartFrame(boundary, form.fields, { field: 'file', name, type })
  let seconds: number | null = null

  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield head
    const tap = openTap(size)
    try {
      yield* listened(ahead.chunks, tap)
    } finally {
      tap.end()
    }
    seconds = await tap.seconds()
    yield tail
  }

  return {
    contentType,
    length: size === null ? null : head.length + size + tail.length,
    bytes: bytes(),
    read: (answer) => readAnswer(answer, form.asText, seconds),
  }
}

async function* listened(chunks: AsyncIterable<Uint8Array>, tap: Tap): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await tap.offer(chunk)
    yield chunk
  }
}

function readAnswer(answer: Answered, asText: boolean, seconds: number | null): Answered {
  const good = answer.status >= 200 && answer.status < 300
  const body = good && asText ? textAsJson(answer.body, answer.contentType ?? null) : null
  return { ...answer, body: body ?? answer.body, seconds }
}
