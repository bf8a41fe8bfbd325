import type { BatchId } from './ids.ts'

/** What a batch is made of that runs failed lines of another one again. Everything that its plan needs stands here: the other batch may be forgotten by then. */
export interface Retried {
  readonly of: BatchId
  /** The error file, and the tag of it and of the input where they are objects: neither may have changed. */
  readonly errors: string
  readonly errorsTag: string | null
  readonly inputTag: string | null
  readonly only: FailedLines
}

/** Which of the failed lines: those with one of the codes (no answer), and those with one of the statuses (an answer that is not 2xx). Both null: all of them. */
export interface FailedLines {
  readonly codes: readonly string[] | null
  readonly statuses: readonly number[] | null
}

export const isChosen = (
  { codes, statuses }: FailedLines,
  { code, status }: { code: string | null; status: number | null },
): boolean =>
  (codes === null && statuses === null) ||
  (code !== null && codes !== null && codes.includes(code)) ||
  (status !== null && statuses !== null && statuses.includes(status))

/** Lines of a file that are picked, by their number: a bit each, whatever is in them. A sum over their ids says later whether they are still the same. */
export interface Picks {
  readonly count: number
  readonly sum: number
  has(line: number): boolean
  /** `hash`: of its custom_id. A line that was picked already changes nothing but the sum. */
  add(line: number, hash: number): void
}

const lineBits = 8
const sumEnd = 2 ** 48

export function makePicks(): Picks {
  let bits = new Uint8Array(1024)
  let count = 0
  let sum = 0
  return {
    get count() {
      return count
    },
    get sum() {
      return sum
    },
    has: (line) => ((bits[Math.floor(line / lineBits)] ?? 0) & (1 << (line % lineBits))) !== 0,
    add(line, hash) {
      const at = Math.floor(line / lineBits)
      if (at >= bits.length) {
        const more = new Uint8Array(Math.max(at + 1, bits.length * 2))
        more.set(bits)
        bits = more
      }
      const byte = bits[at] ?? 0
      const bit = 1 << (line % lineBits)
      if ((byte & bit) === 0) count++
      bits[at] = byte | bit
      sum = (sum + mixed(hash, line)) % sumEnd
    },
  }
}

/** Of an id and a line together, so that two lines that changed places are seen. */
const mixed = (hash: number, line: number): number =>
  (Math.imul((hash % 2 ** 32) ^ Math.imul(line, 0x9e3779b1), 0x85ebca6b) ^ Math.floor(hash / 2 ** 32)) >>> 0
