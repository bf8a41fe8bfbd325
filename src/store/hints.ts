import type { Channel, Db } from './db.ts'

/** Hints within one process. */
export interface Hints {
  hint(channel: Channel): void
  listen(channel: Channel, heard: () => void): () => void
}

export function makeHints(): Hints {
  const listeners = new Map<Channel, Set<() => void>>()
  return {
    hint(channel) {
      for (const heard of listeners.get(channel) ?? []) heard()
    },
    listen(channel, heard) {
      const set = listeners.get(channel) ?? new Set()
      listeners.set(channel, set.add(heard))
      return () => void set.delete(heard)
    },
  }
}

/** Hints are told to others on this machine as well; what they tell is given to `db` itself. */
export const relayed = (db: Db, tell: (channel: Channel) => void): Db => ({
  ...db,
  hint(channel) {
    db.hint(channel)
    tell(channel)
  },
})
