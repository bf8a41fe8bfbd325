import { AbstractTokenizer, EndOfStreamError, type IFileInfo, type IReadChunkOptions } from 'strtok3'
import { turnOfLoop } from '../../kit/forever.ts'

/** What a parser may take at once. The largest thing of a header that is needed is the table of sample sizes of an hour of m4a: below 1 MB. */
const maxHeldBytes = 4 * 1024 * 1024
/** What a parser may ask for: some 2 s of CPU at worst. An mp3 takes seven a frame where only all its frames tell the length: half an hour at 44.1 kHz. */
const maxSteps = 500_000
/** So many steps, and what else waits on this thread has its turn. */
const stepsAtOnce = 500

/** Why nothing more is read of a stream before its end: its parser has what it needs, has taken too many steps, or the stream broke. */
export type Stopped = 'enough' | 'too-many-steps' | 'broken'

/**
 * A file as the parsers of `music-metadata` read it: forwards, from a stream. No header can make it hold much, go on for long, or keep this thread to itself. Parsers
 * may swallow an error; `stopped` stays, and every further step fails.
 */
export class AudioTokens extends AbstractTokenizer {
  readonly fileInfo: IFileInfo
  stopped: Stopped | null = null
  readonly #size: number | null
  readonly #source: AsyncIterator<Uint8Array>
  #error: unknown
  #ended = false
  #held: Uint8Array[] = []
  #heldBytes = 0
  #steps = 0

  constructor(source: AsyncIterable<Uint8Array>, size: number | null) {
    super({ maxBufferSize: maxHeldBytes })
    this.fileInfo = size === null ? {} : { size }
    this.#size = size
    this.#source = source[Symbol.asyncIterator]()
  }

  /** False: the stream ended before so many bytes had come as the file should have. */
  get isWhole(): boolean {
    return !this.#ended || this.#size === null || this.position + this.#heldBytes >= this.#size
  }

  stop(why: Stopped): void {
    this.stopped ??= why
  }

  supportsRandomAccess(): boolean {
    return false
  }

  async readBuffer(into: Uint8Array, options?: IReadChunkOptions): Promise<number> {
    const { length, position, mayBeLess } = this.normalizeOptions(into, options)
    await this.#step()
    if (position > this.position) await this.ignore(position - this.position)
    await this.#fill(length)
    const bytes = this.#copy(into, 0, length)
    this.#drop(bytes)
    if (bytes < length && !mayBeLess) throw new EndOfStreamError()
    return bytes
  }

  async peekBuffer(into: Uint8Array, options?: IReadChunkOptions): Promise<number> {
    const { length, position, mayBeLess } = this.normalizeOptions(into, options)
    await this.#step()
    const ahead = position - this.position
    await this.#fill(ahead + length)
    const bytes = this.#copy(into, ahead, length)
    if (bytes < length && !mayBeLess) throw new EndOfStreamError()
    return bytes
  }

  override async ignore(length: number): Promise<number> {
    if (!(length >= 0)) throw new RangeError('a file is read forwards')
    await this.#step()
    for (let left = length; left > 0;) {
      await this.#fill(1)
      if (this.#heldBytes === 0) throw new EndOfStreamError()
      left -= this.#drop(Math.min(left, this.#heldBytes))
    }
    return length
  }

  /** Lets go of the stream, and throws what it broke with, if it did. */
  override async close(): Promise<void> {
    this.#held = []
    if (this.stopped === 'broken') throw this.#error
    if (!this.#ended) await this.#source.return?.()
    this.#ended = true
  }

  async #step(): Promise<void> {
    if (++this.#steps > maxSteps) this.stop('too-many-steps')
    if (this.stopped !== null) throw new EndOfStreamError()
    if (this.#steps % stepsAtOnce === 0) await turnOfLoop()
  }

  /** Until so many bytes are held, or there are no more. */
  async #fill(bytes: number): Promise<void> {
    this.validateBufferSize(bytes)
    while (this.#heldBytes < bytes && !this.#ended) {
      const next = await this.#source.next().catch((error: unknown) => {
        this.#error = error
        this.#ended = true
        this.stop('broken')
        throw error
      })
      if (next.done) this.#ended = true
      else if (next.value.length > 0) {
        this.#held.push(next.value)
        this.#heldBytes += next.value.length
      }
    }
  }

  #copy(into: Uint8Array, ahead: number, length: number): number {
    let [skip, bytes] = [ahead, 0]
    for (const chunk of this.#held) {
      if (bytes === length) break
      const part = chunk.subarray(skip, skip + length - bytes)
      into.set(part, bytes)
      bytes += part.length
      skip = Math.max(0, skip - chunk.length)
    }
    return bytes
  }

  #drop(bytes: number): number {
    let left = bytes
    while (left > 0) {
      const [chunk] = this.#held
      if (chunk === undefined) break
      if (chunk.length > left) this.#held[0] = chunk.subarray(left)
      else this.#held.shift()
      left -= Math.min(left, chunk.length)
    }
    this.#heldBytes -= bytes
    this.position += bytes
    return bytes
  }
}
