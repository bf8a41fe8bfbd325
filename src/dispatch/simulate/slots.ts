/** A request on its way through the slots. */
export interface Visit {
  /** A slot is free for it: it runs now. */
  start(): void
}

/** So many requests run at once, a bounded number waits in order of arrival. */
export interface Slots {
  readonly running: number
  readonly waiting: number
  /** Starts the visit, now or when it is its turn; or says why not. */
  enter(visit: Visit): 'in' | 'too-many' | 'queue-full'
  /** The visit is over, whether it ran or only waited. To be called once. */
  leave(visit: Visit): void
}

export function makeSlots({ slots, queue, maxInFlight }: { slots: number; queue: number; maxInFlight: number }): Slots {
  const waiting = new Set<Visit>()
  let running = 0
  let filling = false

  /** A loop and not a call out of `leave`: visits that end at once would nest as deep as the queue is long. */
  function fill(): void {
    if (filling) return
    filling = true
    for (const visit of waiting) {
      if (running >= slots) break
      waiting.delete(visit)
      running++
      visit.start()
    }
    filling = false
  }

  return {
    get running() {
      return running
    },
    get waiting() {
      return waiting.size
    },
    enter(visit) {
      if (maxInFlight > 0 && running + waiting.size >= maxInFlight) return 'too-many'
      if (running >= slots && waiting.size >= queue) return 'queue-full'
      waiting.add(visit)
      fill()
      return 'in'
    },
    leave(visit) {
      if (waiting.delete(visit)) return
      running--
      fill()
    },
  }
}

/** How slow it is now: 1 for a request that runs alone, 1 + `loadFactor` with all slots busy, on a straight line between. */
export const slowness = ({ slots, loadFactor }: { slots: number; loadFactor: number }, running: number): number =>
  1 + loadFactor * (slots > 1 ? (running - 1) / (slots - 1) : 0)
