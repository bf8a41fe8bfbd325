import { makeSlabs, slabBytes, type Slabs } from './slabs.ts'

/** The first memory is small: a shard of one line needs no more. */
const firstBytes = 4 * 1024
const empty = Buffer.alloc(0)

/** Where result lines grow: bytes are copied into slabs, so that nothing of a socket's or a window's memory is kept alive by a result. */
export interface Sink {
  readonly bytes: number
  text(text: string): void
  copy(bytes: Uint8Array): void
  /** All bytes so far, in order; the sink begins anew. */
  take(): Taken
  /** The same, and the sink lets go of the slab that it was filling. */
  takeLast(): Taken
}

export interface Taken {
  readonly pieces: Buffer[]
  /** Memory that holds nothing but these pieces and such as were taken before. */
  readonly spent: Buffer[]
}

export function makeSink(slabs: Slabs = makeSlabs()): Sink {
  let full: Buffer[] = []
  let spent: Buffer[] = []
  let slab: Buffer = empty
  let start = 0
  let at = 0
  let bytes = 0

  function room(need: number): void {
    if (at + need <= slab.length) return
    const isFirst = slab.length === 0
    leave()
    if (need > slabBytes) slab = Buffer.allocUnsafe(need)
    else slab = isFirst && need <= firstBytes ? Buffer.allocUnsafe(firstBytes) : slabs.take()
  }

  /** What comes next lies elsewhere. */
  function leave(): void {
    if (at > start) full.push(slab.subarray(start, at))
    if (slab.length > 0) spent.push(slab)
    slab = empty
    start = at = 0
  }

  function taken(): Taken {
    const all = { pieces: full, spent }
    full = []
    spent = []
    bytes = 0
    return all
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
      start = at
      return taken()
    },
    takeLast() {
      leave()
      return taken()
    },
  }
}
