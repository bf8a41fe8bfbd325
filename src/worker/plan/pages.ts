import { planHeaderBytes, writePlanHeader } from '../../domain/plan-format.ts'

const pageBytes = 1024 * 1024

/** Planned lines gathered into pages worth writing, in memory that is used again once they are written. */
export interface Pages {
  write(
    bytes: Buffer,
    line: { customIdStart: number; customIdEnd: number; bodyStart: number; bodyEnd: number },
    number: number,
    size: number,
  ): void
  /** The pages that have no room left, in order. */
  full(): Buffer[]
  /** What `full` gave before is written. */
  written(): void
  /** All that is left. */
  rest(): Buffer[]
}

/** `firstBytes`: of the first page; all others have a MiB. */
export function makePages(firstBytes = pageBytes): Pages {
  const free: Buffer<ArrayBuffer>[] = []
  let given: Buffer<ArrayBuffer>[] = []
  let ready: Buffer<ArrayBuffer>[] = []
  let page = Buffer.allocUnsafeSlow(firstBytes)
  let at = 0

  const put = () => void (at > 0 && ready.push(page.subarray(0, at)))

  function turn(size: number): void {
    put()
    page = (size <= pageBytes && free.pop()) || Buffer.allocUnsafeSlow(Math.max(pageBytes, size))
    at = 0
  }

  return {
    write(bytes, line, number, size) {
      if (at + size > page.length) turn(size)
      const idBytes = line.customIdEnd - line.customIdStart
      writePlanHeader(page, at, number, idBytes, line.bodyEnd - line.bodyStart)
      bytes.copy(page, at + planHeaderBytes, line.customIdStart, line.customIdEnd)
      bytes.copy(page, at + planHeaderBytes + idBytes, line.bodyStart, line.bodyEnd)
      at += size
    },
    full() {
      given = ready
      ready = []
      return given
    },
    written() {
      for (const { buffer } of given) if (buffer.byteLength === pageBytes) free.push(Buffer.from(buffer))
      given = []
    },
    rest() {
      put()
      at = 0
      return this.full()
    },
  }
}
