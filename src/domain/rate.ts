/** How often a key may do things. A bound lets as many through at once as it lets through in its period, and then evenly (GCRA: ITU-T I.371, "generic cell rate algorithm"). */

export const rateKinds = {
  requests: { limit: 'requests_per_second', periodMs: 1000 },
  creates: { limit: 'creates_per_hour', periodMs: 3_600_000 },
  uploads: { limit: 'uploads_per_hour', periodMs: 3_600_000 },
} as const
export type RateKind = keyof typeof rateKinds
export type RateLimit = (typeof rateKinds)[RateKind]['limit']
/** By the names of the limits; what is not there is not bounded. */
export type RateLimits = Readonly<Partial<Record<RateLimit, number>>>

export const rateLimits: readonly RateLimit[] = Object.values(rateKinds).map(({ limit }) => limit)

/** The limit of a key for a kind: its own, else that of all; null: there is none. */
export function limitOf(kind: RateKind, own: RateLimits, all: RateLimits): number | null {
  const { limit } = rateKinds[kind]
  return own[limit] ?? all[limit] ?? null
}

/** Microseconds that one takes of its period: times are whole numbers of them. */
export const stepOf = (kind: RateKind, limit: number): number =>
  Math.max(1, Math.round((rateKinds[kind].periodMs * 1000) / limit))
export const periodOf = (kind: RateKind): number => rateKinds[kind].periodMs * 1000

/** How many a process takes at once, so that a busy key costs the database a statement every tenth of a second (of an hour's bound, every five seconds), and not one a request. */
export const handful = (kind: RateKind, limit: number): number =>
  Math.max(1, Math.floor((limit * takenMs(kind)) / rateKinds[kind].periodMs))

/** What was taken and not used is given up after so long: by then it has come back by itself. */
export const heldMs = (kind: RateKind): number => 2 * takenMs(kind)

const takenMs = (kind: RateKind): number => Math.min(5000, rateKinds[kind].periodMs / 10)

/** `ahead`: microseconds by which what was let through lies ahead of the time. */
export const remaining = (kind: RateKind, limit: number, ahead: number): number =>
  Math.max(0, Math.floor((periodOf(kind) - Math.max(0, ahead)) / stepOf(kind, limit)))

/** As OpenAI writes times until a limit is whole again: `12ms`, `6.5s`, `1m30s`. */
export function shownTime(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`
  const tenths = Math.ceil(ms / 100)
  if (tenths < 600) return `${tenths / 10}s`
  const seconds = Math.ceil(ms / 1000)
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`
}
