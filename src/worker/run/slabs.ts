export const slabBytes = 256 * 1024

/**
 * Memory for results, used again. V8 counts memory outside of its heap among what calls for a full collection: with a fresh piece for every few answers of
 * 30 kB its threads mark all that lives several times a second.
 */
export interface Slabs {
  take(): Buffer
  /** Nothing that lies in them is needed any more. Memory of another size, and more than it keeps, is dropped. */
  give(slabs: readonly Buffer[]): void
}

export function makeSlabs(keepBytes = 0): Slabs {
  const free: Buffer[] = []
  return {
    take: () => free.pop() ?? Buffer.allocUnsafeSlow(slabBytes),
    give(slabs) {
      for (const slab of slabs) if (slab.length === slabBytes && (free.length + 1) * slabBytes <= keepBytes) free.push(slab)
    },
  }
}
