/** The deletion of a project with everything of it, and the report of it, which stays. */
import type { ProjectId } from './ids.ts'
import { seconds, secondsOrNull } from './seconds.ts'

/** How many of each were deleted, and what the project had used in all: numbers without contents, for a last invoice. */
export interface Erased {
  readonly batches: number
  readonly files: number
  /** Of those files. */
  readonly bytes: number
  /** Results that batches wrote into buckets, where they were still the ones that were written. */
  readonly objects: number
  readonly keys: number
  readonly webhooks: number
  /** Lines that were answered or failed, in all its time. */
  readonly requests: number
  readonly tokens: number
  /** Of audio. */
  readonly seconds: number
}

export const nothingErased: Erased = {
  batches: 0,
  files: 0,
  bytes: 0,
  objects: 0,
  keys: 0,
  webhooks: 0,
  requests: 0,
  tokens: 0,
  seconds: 0,
}

/** Milliseconds since 1970. */
export interface Erasure {
  readonly projectId: ProjectId
  readonly name: string
  readonly requestedAt: number
  /** When all that was known of it was gone. */
  readonly erasedAt: number | null
  /** When it was looked for once more, an hour later, and nothing was left. */
  readonly confirmedAt: number | null
  readonly deleted: Erased
}

/** What still stands in the way of the next pass. */
export interface StillThere {
  readonly openBatches: number
  readonly files: number
  readonly objects: number
  readonly uploads: number
}

export const nothingThere: StillThere = { openBatches: 0, files: 0, objects: 0, uploads: 0 }

export const addErased = (a: Erased, b: Partial<Erased>): Erased => ({
  batches: a.batches + (b.batches ?? 0),
  files: a.files + (b.files ?? 0),
  bytes: a.bytes + (b.bytes ?? 0),
  objects: a.objects + (b.objects ?? 0),
  keys: a.keys + (b.keys ?? 0),
  webhooks: a.webhooks + (b.webhooks ?? 0),
  requests: a.requests + (b.requests ?? 0),
  tokens: a.tokens + (b.tokens ?? 0),
  seconds: a.seconds + (b.seconds ?? 0),
})

export const isClear = (there: StillThere): boolean => Object.values(there).every((count) => count === 0)

export const erasureWire = (e: Erasure, there: StillThere) => ({
  id: e.projectId as string,
  object: 'project.erasure' as const,
  name: e.name,
  status: e.erasedAt === null ? ('erasing' as const) : ('erased' as const),
  requested_at: seconds(e.requestedAt),
  erased_at: secondsOrNull(e.erasedAt),
  confirmed_at: secondsOrNull(e.confirmedAt),
  deleted: { ...e.deleted },
  remaining: { open_batches: there.openBatches, files: there.files, objects: there.objects, uploads: there.uploads },
})
export type ErasureView = ReturnType<typeof erasureWire>
