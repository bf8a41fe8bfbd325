/**
 * A circuit breaker (M. Nygard, "Release It!"): a server that takes calls and never answers keeps one caller waiting, not all. A server is silent when a call has waited in vain,
 * or several wait for long, and nothing at all was answered meanwhile. Then one call at a time goes out to find out, with a rest between two, and all others are told at
 * once. Any answer ends that, also a refusal.
 */
export interface Breaker {
  /**
   * A call wants to go out; null: it may not now. `cut` ends one that is out when the server turns out to be silent. `waitsForUs`: calls stand behind others of our own, which
   * says nothing of the server.
   */
  enter(cut: () => void, waitsForUs: () => boolean): Out | null
  /** Something was answered, to whomever. */
  answered(): void
}

/** A call that is out. */
export interface Out {
  /** It goes to a silent server to find out, and need not wait for long. */
  readonly isProbe: boolean
  /** It is over. `inVain`: it waited for as long as it could. */
  leave(inVain: boolean): void
}

export interface BreakerTimes {
  /** For how long several must wait without an answer to anything. */
  readonly silentMs: number
  /** Between a call that found a server silent and the next. */
  readonly restMs: number
}

const several = 3

interface Waiting {
  readonly since: number
  readonly cut: () => void
  readonly waitsForUs: () => boolean
}

export function makeBreaker({ silentMs, restMs }: BreakerTimes, now: () => number = () => performance.now()): Breaker {
  const waiting = new Set<Waiting>()
  let answeredAt = -Infinity
  let silent = false
  let restUntil = -Infinity

  const unanswered = ({ since }: Waiting): boolean => since >= answeredAt

  /** The one that has waited longest goes on waiting: it finds out. */
  function look(): void {
    const inVain = [...waiting].filter((one) => unanswered(one) && now() - one.since >= silentMs)
    if (silent || inVain.length < several || inVain[0]?.waitsForUs()) return
    silent = true
    for (const one of waiting) if (one !== inVain[0]) one.cut()
  }

  return {
    enter(cut, waitsForUs) {
      if (silent && (waiting.size > 0 || now() < restUntil)) return null
      const isProbe = silent
      const one: Waiting = { since: now(), cut, waitsForUs }
      waiting.add(one)
      const timer = setTimeout(look, silentMs)
      return {
        isProbe,
        leave(inVain) {
          clearTimeout(timer)
          waiting.delete(one)
          if (!inVain || !unanswered(one)) return
          silent = true
          restUntil = now() + restMs
        },
      }
    },
    answered() {
      answeredAt = now()
      silent = false
    },
  }
}
