import { closeSync, openSync, readSync } from 'node:fs'

/** Where the result of each line of the input stands in one of two files: eight bytes a line, 80 MB for ten million. */
export interface ResultIndex {
  readonly count: number
  /** @throws when the line has a result already */
  add(line: number, file: number, offset: number): void
  find(line: number): { readonly file: number; readonly offset: number } | null
}

const filesAtMost = 2

export function makeResultIndex(): ResultIndex {
  let places = new Float64Array(1024)
  let count = 0
  return {
    get count() {
      return count
    },
    add(line, file, offset) {
      if (line >= places.length) {
        const more = new Float64Array(Math.max(line + 1, places.length * 2))
        more.set(places)
        places = more
      }
      if (places[line] !== 0) throw new Error(`line ${line} has two results`)
      places[line] = offset * filesAtMost + file + 1
      count++
    },
    find(line) {
      const place = (places[line] ?? 0) - 1
      return place < 0 ? null : { file: place % filesAtMost, offset: Math.floor(place / filesAtMost) }
    },
  }
}

const windowBytes = 1024 * 1024

/** Reads lines of a file by where they begin. Results lie nearly in the order of the input: most of them are in the stretch that was read last. */
export function openLines(path: string): { at(offset: number): Buffer } & Disposable {
  const file = openSync(path, 'r')
  let window = Buffer.alloc(0)
  let start = 0

  function read(offset: number, bytes: number): void {
    const memory = Buffer.allocUnsafe(bytes)
    let filled = 0
    for (let got = -1; got !== 0 && filled < bytes; filled += got)
      got = readSync(file, memory, filled, bytes - filled, offset + filled)
    ;[window, start] = [memory.subarray(0, filled), offset]
  }

  return {
    /** The line that begins there, without its newline; good until the next is asked for. */
    at(offset) {
      const end = offset >= start && offset < start + window.length ? window.indexOf(0x0a, offset - start) : -1
      if (end >= 0) return window.subarray(offset - start, end)
      for (let bytes = windowBytes; ; bytes *= 2) {
        read(offset, bytes)
        const found = window.indexOf(0x0a)
        if (found >= 0) return window.subarray(0, found)
        if (window.length < bytes) throw new Error(`${path} ends within a line`)
      }
    },
    [Symbol.dispose]: () => closeSync(file),
  }
}
