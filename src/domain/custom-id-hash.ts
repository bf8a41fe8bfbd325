/**
 * A hash of 53 bits, kept exactly in a double: two multiplicative hashes of 32 bits (FNV-1a's shape, with seeds of this plan), each mixed at the end. Equal
 * hashes only make candidates, which are then compared; the seed keeps a hostile file from making many.
 */
export type Hash = (bytes: Uint8Array, start: number, end: number) => number

export function makeHash(seedA: number, seedB: number): Hash {
  return (bytes, start, end) => {
    let a = seedA | 0
    let b = seedB | 0
    for (let i = start; i < end; i++) {
      const c = bytes[i] ?? 0
      a = Math.imul(a ^ c, 0x01000193)
      b = Math.imul(b ^ c, 0x5bd1e995)
      b ^= b >>> 15
    }
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b)
    a ^= a >>> 13
    return (a >>> 0) * 0x200000 + ((b >>> 0) >>> 11)
  }
}

/** The hash of a custom_id as its raw JSON string, quotes included: escaped or not, the same id has the same hash. */
export function hashOfId(hash: Hash, bytes: Buffer, start: number, end: number): number {
  let escaped = false
  for (let i = start + 1; i < end; i++) if (bytes[i] === 0x5c) escaped = true
  if (!escaped) return hash(bytes, start + 1, end - 1)
  const decoded = Buffer.from(JSON.parse(bytes.toString('utf8', start, end)) as string)
  return hash(decoded, 0, decoded.length)
}

const chunkLength = 1 << 17
const firstLength = 1 << 10

/** Hashes as they come, in chunks; `repeated` sorts them in one typed array (10 million take 80 MB and about a second) and gives those that came more than once. */
export interface HashList {
  add(hash: number): void
  repeated(): Float64Array
}

export function makeHashList(): HashList {
  const full: Float64Array[] = []
  let chunk = new Float64Array(firstLength)
  let used = 0
  return {
    add(hash) {
      if (used === chunk.length) {
        full.push(chunk)
        chunk = new Float64Array(chunkLength)
        used = 0
      }
      chunk[used++] = hash
    },
    repeated() {
      const parts = [...full, chunk.subarray(0, used)]
      const all = new Float64Array(parts.reduce((n, part) => n + part.length, 0))
      let at = 0
      for (const part of parts) {
        all.set(part, at)
        at += part.length
      }
      full.length = 0
      all.sort()
      let count = 0
      for (let i = 1; i < all.length; i++)
        if (all[i] === all[i - 1] && (count === 0 || all[count - 1] !== all[i])) all[count++] = all[i] ?? 0
      return all.slice(0, count)
    },
  }
}
