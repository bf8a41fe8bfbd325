/** A request as it was seen, all tries together. */
export interface Seen {
  /** The first 200 characters of its prompt. */
  readonly prompt: string
  times: number
  /** Milliseconds by the wall clock. */
  readonly firstAt: number
  lastAt: number
}

/** Counts requests one by one, as many as it may remember. */
export interface Sightings {
  /** Counts a request, and says how many times it was seen with this one. Always 1 if nothing is remembered. */
  add(digest: string, prompt: string, at: number): number
  all(): readonly Seen[]
  clear(): void
}

export function makeSightings(remember: number): Sightings {
  const byDigest = new Map<string, Seen>()
  return {
    add(digest, prompt, at) {
      if (remember === 0) return 1
      const known = byDigest.get(digest)
      if (known) {
        known.times++
        known.lastAt = at
        // Seen again: it goes to the end, away from the one that is forgotten next.
        byDigest.delete(digest)
        byDigest.set(digest, known)
        return known.times
      }
      byDigest.set(digest, { prompt: detached(prompt.slice(0, 200)), times: 1, firstAt: at, lastAt: at })
      if (byDigest.size > remember) for (const oldest of byDigest.keys()) return (byDigest.delete(oldest), 1)
      return 1
    },
    all: () => [...byDigest.values()],
    clear: () => byDigest.clear(),
  }
}

/** NOTE: a slice of a string keeps the whole of it in memory; this is a copy. */
const detached = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')
