/** Chance that can be repeated: the same seed gives the same numbers. */
export interface Random {
  /** A whole number, both ends included. */
  between(first: number, last: number): number
  pick<T>(of: readonly [T, ...T[]]): T
}

/** mulberry32, by T. Ettinger (public domain). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (first: number, last: number) => first + Math.floor(next() * (last - first + 1))
  return { between, pick: (of) => of[between(0, of.length - 1)] ?? of[0] }
}
