/** Images that a body names by address, and how they stand in it instead: for backends that cannot reach what the caller can. */
import { isAddress } from './address.ts'
import { isFileId } from './ids.ts'
import { memberAt, memberNames } from './json-member.ts'
import { skipSpace, skipString } from './json-scan.ts'
import { toldType, wordsOf } from './media-type.ts'

/** Where the JSON text of an address stands in a body, quotes included. */
export interface ImagePlace {
  readonly start: number
  readonly end: number
  readonly address: string
}

/** As OpenAI has it for one request. */
export const imagesAtMost = 500

const [quote, colon, openObject, closeObject, openArray, closeArray] = [0x22, 0x3a, 0x7b, 0x7d, 0x5b, 0x5d]
const talk = memberNames(['messages', 'input'])
const image = memberNames(['image_url'])
const address = memberNames(['url'])

/**
 * In the order of the body, and no more than one beyond what a body may name. What counts is within `messages` (chat) or `input` (responses): an `image_url` that is
 * text, or an object with `url`. `data:` addresses and whatever else is no address that the server could open stay. The body is a JSON object: the plan has checked it.
 */
export function imagesIn(body: Buffer): ImagePlace[] {
  const found: ImagePlace[] = []
  if (!body.includes('image_url') && !body.includes('\\u')) return found
  let depth = 0
  let talks = false
  const imageDepths = new Set<number>()
  const note = (start: number): number => {
    const end = skipString(body, start, body.length)
    const text = JSON.parse(body.toString('utf8', start, end)) as string
    if (isOpened(text)) found.push({ start, end, address: text })
    return end
  }
  for (let at = 0; at < body.length && found.length <= imagesAtMost;) {
    const c = body[at]
    if (c !== quote) {
      if (c === openObject || c === openArray) depth++
      else if (c === closeObject || c === closeArray) {
        imageDepths.delete(depth)
        depth--
      }
      at++
      continue
    }
    const end = skipString(body, at, body.length)
    const after = skipSpace(body, end, body.length)
    if (body[after] !== colon) {
      at = end
      continue
    }
    const value = skipSpace(body, after + 1, body.length)
    if (depth === 1) talks = memberAt(talk, body, at, end) >= 0
    const isImage = talks && memberAt(image, body, at, end) >= 0
    if (isImage && body[value] === openObject) imageDepths.add(depth + 1)
    const isNamed = isImage || (imageDepths.has(depth) && memberAt(address, body, at, end) >= 0)
    at = isNamed && body[value] === quote ? note(value) : value
  }
  return found
}

const isOpened = (text: string): boolean => isAddress(text) || isFileId(text)

/** The media type of an image: by its first bytes, else what somebody said of it; null: it is none. */
export function imageType(head: Buffer, told: string | null): string | null {
  const [four, next, last] = wordsOf(head)
  if (head.toString('latin1', 0, 8) === '\u0089PNG\r\n\u001a\n') return 'image/png'
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return 'image/jpeg'
  if (four === 'GIF8') return 'image/gif'
  if (four === 'RIFF' && last === 'WEBP') return 'image/webp'
  if (next === 'ftyp' && last === 'avif') return 'image/avif'
  return toldType(told, ['image'])
}

/** How long `bytes` bytes are in base64. */
export const base64Length = (bytes: number): number => 4 * Math.ceil(bytes / 3)
