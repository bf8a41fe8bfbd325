/** A line of a file of lines, as a view: good until the function that it is given to returns. */
export type OnLine = (bytes: Buffer, start: number, end: number, number: number) => void

export interface Splitter {
  /** Takes the next stretch of the file; the lines that are whole are told at once. */
  take(chunk: Buffer): void
  /** The file has ended: a last line without its newline is told. */
  end(): void
}

const lf = 10
const cr = 13

/**
 * Cuts a stream of bytes into lines (D22): BOM at the start, CRLF, blank lines (counted, not told) and a missing last newline are accepted. A line of more than
 * `maxLineBytes` is never held: `tooLong` is told its number once, and its bytes are passed over. Only a line that crosses two stretches is copied.
 */
export function splitLines({
  maxLineBytes,
  line,
  tooLong,
}: {
  maxLineBytes: number
  line: OnLine
  tooLong: (number: number) => void
}): Splitter {
  let carried: Buffer[] = []
  let carriedBytes = 0
  let skipping = false
  let number = 1
  let first = true

  function tell(bytes: Buffer, from: number, to: number): void {
    let start = from
    let end = to
    if (first) {
      first = false
      if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf && end - start >= 3) start += 3
    }
    if (end > start && bytes[end - 1] === cr) end--
    if (end - start > maxLineBytes) tooLong(number)
    else if (!isBlank(bytes, start, end)) line(bytes, start, end, number)
  }

  function carry(bytes: Buffer): void {
    if (skipping) return
    carriedBytes += bytes.length
    if (carriedBytes > maxLineBytes + 4) {
      skipping = true
      carried = []
      first = false
      tooLong(number)
    } else carried.push(Buffer.from(bytes))
  }

  function endCarried(): void {
    if (!skipping && carriedBytes > 0) {
      const whole = Buffer.concat(carried)
      tell(whole, 0, whole.length)
    }
    skipping = false
    carried = []
    carriedBytes = 0
  }

  return {
    take(chunk) {
      let start = 0
      for (let end = chunk.indexOf(lf); end >= 0; end = chunk.indexOf(lf, start)) {
        if (carriedBytes > 0) {
          carry(chunk.subarray(start, end))
          endCarried()
        } else tell(chunk, start, end)
        number++
        start = end + 1
      }
      if (start < chunk.length) carry(chunk.subarray(start))
    },
    end: endCarried,
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== 0x20 && bytes[i] !== 0x09 && bytes[i] !== cr) return false
  return true
}
