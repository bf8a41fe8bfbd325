import { hash } from 'node:crypto'

/** What a request is known by: the same bytes have the same digest, in every run. */
export const digestOf = (body: Buffer): string => hash('sha1', body, 'hex')

/** Numbers from 0 up to 1 that look like chance and are a function of seed and text. mulberry32, by T. Ettinger (public domain). */
export function chanceOf(seed: number, text: string): () => number {
  let state = seed
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export const pick = <T>(from: readonly [T, ...T[]], chance: () => number): T =>
  from[Math.floor(chance() * from.length)] ?? from[0]
