/** Chance that can be repeated: the same seed gives the same numbers. */
export interface Chance {
  /** 0 <= x < 1 */
  next(): number
  /** A whole number, both ends included. */
  between(first: number, last: number): number
  /** True so often. */
  happens(share: number): boolean
  pick<T>(of: readonly [T, ...T[]]): T
  bytes(n: number): Uint8Array
  /** A stream of its own, by name: what is drawn from it moves no other. */
  fork(name: string): Chance
}

/** mulberry32, by T. Ettinger (public domain). */
export function chanceFrom(seed: number): Chance {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (first: number, last: number) => first + Math.floor(next() * (last - first + 1))
  return {
    next,
    between,
    happens: (share) => share > 0 && next() < share,
    pick: (of) => of[between(0, of.length - 1)] ?? of[0],
    bytes: (n) => Uint8Array.from({ length: n }, () => between(0, 255)),
    fork: (name) => chanceFrom(hashOf(`${seed} ${name}`)),
  }
}

/** FNV-1a, mixed at the end. */
export function hashOf(text: string, from = 0x811c9dc5): number {
  let hash = from
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
