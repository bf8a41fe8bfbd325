/** The first slab is small: a shard of one line needs no more. */
const firstBytes = 4 * 1024
const slabBytes = 256 * 1024

/** Where result lines grow: bytes are copied into slabs, so that nothing of a socket's or a window's memory is kept alive by a result. */
export interface Sink {
  readonly bytes: number
  text(text: string): void
  copy(bytes: Uint8Array): void
  /** All bytes so far, in order; the sink begins anew. */
  take(): Buffer[]
}

export function makeSink(): Sink {
  let full: Buffer[] = []
  let slab = Buffer.alloc(0)
  let start = 0
  let at = 0
  let bytes = 0

  function room(need: number): void {
    if (at + need <= slab.length) return
    if (at > start) full.push(slab.subarray(start, at))
    slab = Buffer.allocUnsafe(Math.max(slab.length === 0 ? firstBytes : slabBytes, need))
    start = at = 0
  }

  return {
    get bytes() {
      return bytes
    },
    text(text) {
      room(text.length * 3)
      const written = slab.write(text, at)
      at += written
      bytes += written
    },
    copy(source) {
      room(source.length)
      slab.set(source, at)
      at += source.length
      bytes += source.length
    },
    take() {
      if (at > start) full.push(slab.subarray(start, at))
      const taken = full
      full = []
      start = at
      bytes = 0
      return taken
    },
  }
}
