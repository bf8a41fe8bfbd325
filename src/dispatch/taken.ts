import type { Feed, Sendable } from './feed.ts'
import type { Call } from './transport.ts'

/** A line between being taken from its feed and coming to its end: in flight, or waiting to be sent again. */
export interface Taken {
  readonly feed: Feed
  readonly line: Sendable
  /** Attempts that were burnt. */
  burnt: number
  /** Sent so often: the back-off grows with it. */
  tries: number
  sentAtMs: number
  /** It broke at once on a connection that may have been stale, and was sent again for free. Once a line. */
  excused: boolean
  /** The call that is open. */
  call: Call | null
  /** Settled or stopped: whoever still has it in a queue passes it over. */
  over: boolean
}

export const takenFrom = (feed: Feed, line: Sendable): Taken => ({
  feed,
  line,
  burnt: 0,
  tries: 0,
  sentAtMs: 0,
  excused: false,
  call: null,
  over: false,
})

/** All taken lines by the signal that stops them: one listener a signal, however many lines share it. */
export interface Register {
  add(taken: Taken): void
  /** The line's end was told. */
  remove(taken: Taken): void
  readonly size: number
}

/** `stopped` is called for each line that waits when its signal aborts; of those in flight the call is aborted, which ends them. */
export function makeRegister(stopped: (taken: Taken) => void): Register {
  const bySignal = new Map<AbortSignal, Set<Taken>>()
  let size = 0

  function listen(signal: AbortSignal, set: Set<Taken>): void {
    signal.addEventListener(
      'abort',
      () => {
        bySignal.delete(signal)
        for (const taken of [...set]) {
          if (taken.call) taken.call.abort(signal.reason)
          else if (!taken.over) stopped(taken)
        }
      },
      { once: true },
    )
  }

  return {
    get size() {
      return size
    },
    add(taken) {
      const { signal } = taken.line
      let set = bySignal.get(signal)
      if (!set) {
        set = new Set()
        bySignal.set(signal, set)
        listen(signal, set)
      }
      set.add(taken)
      size++
    },
    remove(taken) {
      taken.over = true
      size--
      bySignal.get(taken.line.signal)?.delete(taken)
    },
  }
}
