/**
 * How long an audio file plays, as its header tells. `music-metadata` reads the headers. What is here decides what that may cost and what is believed: a file's kind
 * is told by its first bytes, never by its name or type, so that no other parser than these six sees a caller's bytes; tags before an mp3 are skipped
 * unread, covers and all; and nothing plays for longer than its bytes can hold.
 */
import { parseFromTokenizer, type IFormat } from 'music-metadata'
import { audioKindOf } from '../../domain/audio-kind.ts'
import { kindBytes } from '../../domain/media-type.ts'
import { AudioTokens } from './audio-tokens.ts'

/** wav, flac, ogg (opus, vorbis), m4a, webm and mp3, by the names that the parsers have. */
type Kind = 'audio/wav' | 'audio/flac' | 'audio/ogg' | 'audio/mp4' | 'audio/webm' | 'audio/mpeg'

/** The others are read to the end, where their answer is, or may be. */
const toldAtTheFront: ReadonlySet<Kind> = new Set<Kind>(['audio/wav', 'audio/flac', 'audio/webm'])

/** Seconds that a file plays which has so many bytes; null: it does not tell, it is of none of these kinds, or it is broken. */
export type Heard = (bytes: number) => number | null

const unheard: Heard = () => null

/** Seconds of a file of `size` bytes. */
export const audioSeconds = async (bytes: AsyncIterable<Uint8Array>, size: number): Promise<number | null> =>
  (await hearAudio(bytes, size))(size)

/**
 * What a file tells that has `size` bytes, or null: nobody knows how many before they have passed. Reads of the stream what it needs, in pieces, and lets go of it
 * then. Throws only what the stream throws.
 */
export async function hearAudio(bytes: AsyncIterable<Uint8Array>, size: number | null): Promise<Heard> {
  const tokens = new AudioTokens(bytes, size)
  try {
    const kind = await kindOf(tokens)
    const start = tokens.position
    const format = kind && (await formatOf(tokens, kind))
    if (!kind || !format) return unheard
    return (whole) => believed(kind, size === null ? ofPassed(format, whole - start) : format, whole)
  } catch {
    return unheard
  } finally {
    await tokens.close()
  }
}

/** Of these the parser asks for the size, in the place of what the header does not say: those that come in pieces often have not been written to their end. */
const ofSize: ReadonlySet<Kind> = new Set<Kind>(['audio/wav', 'audio/mpeg'])
const unknownBytes = 0xffffffff

/** An mp3 of one bit rate plays for as long as its bytes do, unless its header says less. */
const ofPassed = (format: IFormat, bytes: number): IFormat =>
  format.codecProfile === 'CBR' && format.bitrate
    ? { ...format, duration: Math.min(format.duration ?? Infinity, (bytes * 8) / format.bitrate) }
    : format

/** What the header says; null: the stream ended or was given up before that could be known. Throws whatever a parser throws. */
async function formatOf(tokens: AudioTokens, kind: Kind): Promise<IFormat | null> {
  tokens.fileInfo.mimeType = kind
  if (ofSize.has(kind)) tokens.fileInfo.size ??= unknownBytes
  let format: IFormat | null = null
  const parsing = parseFromTokenizer(tokens, {
    duration: true,
    skipCovers: true,
    observer({ metadata, tag }) {
      format = metadata.format
      if (toldAtTheFront.has(kind) && tag.id === 'duration') tokens.stop('enough')
    },
  })
  try {
    await parsing
  } catch (error) {
    if (tokens.stopped !== 'enough') throw error
  }
  return tokens.stopped === 'enough' || (tokens.stopped === null && tokens.isWhole) ? format : null
}

/** Goes by the first bytes after ID3v2 tags, which no kind but mp3 should have, and some have all the same. */
async function kindOf(tokens: AudioTokens): Promise<Kind | null> {
  const head = new Uint8Array(kindBytes)
  const peek = async () => Buffer.from(head.subarray(0, await tokens.peekBuffer(head, { mayBeLess: true })))
  let bytes = await peek()
  let isTagged = false
  for (; bytes.length >= 10 && bytes.toString('latin1', 0, 3) === 'ID3'; bytes = await peek()) {
    isTagged = true
    const [flags = 0, a = 0, b = 0, c = 0, d = 0] = bytes.subarray(5)
    await tokens.ignore(10 + (((a & 127) << 21) | ((b & 127) << 14) | ((c & 127) << 7) | (d & 127)) + (flags & 0x10 ? 10 : 0))
  }
  return audioKindOf(bytes)?.type ?? (isTagged ? 'audio/mpeg' : null)
}

/** Fewer bits a second are no sound that anybody has recorded: opus in silence still needs some 600. */
const leastBitsASecond = 100
/** Of these a wav header tells the bits exactly. */
const uncompressed = new Set(['PCM', 'IEEE_FLOAT', 'ALAW', 'MULAW', 'non-PCM (65534)'])

/** Seconds that the bytes can hold. A wav whose header says more than it has is as long as what it has, like one that was cut off; another is not believed. */
function believed(kind: Kind, format: IFormat, size: number): number | null {
  const { duration = 0, codec = '', sampleRate = 0, numberOfChannels = 0, bitsPerSample = 0, bitrate = 0 } = format
  if (!Number.isFinite(duration) || duration <= 0) return null
  if (kind !== 'audio/wav') return duration <= (size * 8) / leastBitsASecond ? duration : null
  const told = uncompressed.has(codec) ? sampleRate * numberOfChannels * bitsPerSample : bitrate
  return Math.min(duration, (size * 8) / Math.max(leastBitsASecond, told))
}
