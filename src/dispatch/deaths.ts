import type { Backend, Flight } from './state.ts'

/**
 * What a broken connection means. One that breaks alone burns an attempt of its line. When several that were in flight together break within a second, the
 * backend has died: none burns, for the line that killed it is only one of them, and all are suspects from now on. One suspect is sent, beside other lines, then
 * two, then four, while they have answers: after a mere restart nobody waits for them, and a line that kills takes few with it. One that sees a second death is
 * sent alone, with nothing else in flight: if it breaks then, it broke alone.
 */
export type Broke =
  | { readonly kind: 'alone' }
  /** Who broke within the last second is judged with it. */
  | { readonly kind: 'died'; readonly with: readonly Flight[] }
  /** Others are in flight: what they do within a second will show. */
  | { readonly kind: 'unclear' }

export const togetherMs = 1000

/** `backend` without this flight in flight. Remembers the break. */
export function judgeBreak(backend: Backend, flight: Flight, now: number): Broke {
  // NOTE: a call that was sent after the last break was no part of it, however short ago that is
  const together = now - backend.brokeAt < togetherMs && flight.sentAt < backend.brokeAt
  backend.brokeAt = now
  if (together) {
    const others = [...backend.judged]
    backend.judged.clear()
    return { kind: 'died', with: [...others, flight] }
  }
  if (backend.inFlight === 0) return { kind: 'alone' }
  backend.judged.add(flight)
  return { kind: 'unclear' }
}
