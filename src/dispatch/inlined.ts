/** A line on its way out whose images are put into its body: each is opened where the line says that it lies, and passes through as base64, in pieces. */
import { notAnImage, tooLarge, tooManyImages } from '../domain/fetch-error.ts'
import { base64Length, imagesAtMost, imageType, type ImagePlace } from '../domain/images.ts'
import { kindBytes } from '../domain/media-type.ts'
import { readAhead, type Ahead } from './read-ahead.ts'
import type { OpenAddress } from './fetch/content.ts'
import type { OpenUpload, Upload } from './http/upload.ts'

interface OpenImage {
  readonly type: string
  readonly size: number | null
  readonly chunks: Ahead['chunks']
}

export interface InlineParts {
  readonly open: OpenAddress
  /** Of all images of a line. */
  readonly maxBytes: number
}

/** The first image is opened before anything is sent, each other one when those before it are through. */
export function inlined(body: Buffer, places: readonly ImagePlace[], projectId: string, { open, maxBytes }: InlineParts): Upload {
  return {
    async open(signal): Promise<OpenUpload> {
      if (places.length > imagesAtMost) throw tooManyImages(imagesAtMost)
      const openAt = async ({ address }: ImagePlace): Promise<OpenImage> => {
        const { bytes, size, contentType } = await open(address, projectId, signal)
        const ahead = await readAhead(bytes, kindBytes, signal)
        const type = imageType(ahead.head, contentType)
        if (type === null) throw notAnImage()
        return { type, size: size ?? ahead.whole, chunks: ahead.chunks }
      }
      const [firstPlace] = places
      const first = firstPlace && (await openAt(firstPlace))

      async function* bytes(): AsyncGenerator<Uint8Array> {
        let at = 0
        let left = maxBytes
        async function* counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
          for await (const chunk of chunks) {
            left -= chunk.length
            if (left < 0) throw tooLarge('What the line shows', maxBytes)
            yield chunk
          }
        }
        for (const [i, place] of places.entries()) {
          const { type, chunks } = i === 0 && first ? first : await openAt(place)
          yield body.subarray(at, place.start)
          yield Buffer.from(opening(type))
          yield* base64(counted(chunks))
          at = place.end - 1 // NOTE: its closing quote is that of the address
        }
        yield body.subarray(at)
      }

      return {
        contentType: 'application/json',
        length: places.length === 1 && firstPlace && first ? lengthWith(body, firstPlace, first) : null,
        bytes: bytes(),
        read: (answer) => answer,
      }
    },
  }
}

const opening = (type: string): string => `"data:${type};base64,`

function lengthWith(body: Buffer, { start, end }: ImagePlace, { type, size }: OpenImage): number | null {
  return size === null ? null : body.length - (end - 1 - start) + opening(type).length + base64Length(size)
}

/** Three bytes are four digits: what is over waits for the next chunk. */
async function* base64(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let over = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const all = over.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([over, chunk])
    const whole = all.length - (all.length % 3)
    if (whole > 0) yield Buffer.from(all.toString('base64', 0, whole), 'latin1')
    over = Buffer.from(all.subarray(whole))
  }
  if (over.length > 0) yield Buffer.from(over.toString('base64'), 'latin1')
}
