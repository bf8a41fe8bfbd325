import type { Clock } from '../kit/clock.ts'
import type { Taken } from './taken.ts'

const togetherMs = 1000

/**
 * Connections of one backend that broke after the request was written. One that breaks alone burns an attempt of its line. Several within a second: the
 * backend has died, and the line that killed it is among them; none burns, and all become suspects, which are sent one at a time, with nothing else in
 * flight, until each has an answer. A suspect that breaks has broken alone.
 */
export interface Breaks {
  broke(taken: Taken): void
  /** The next suspect to be sent alone, or undefined: none is left. */
  readonly suspect: Taken | undefined
  /** Is this line a suspect? */
  has(taken: Taken): boolean
  cleared(taken: Taken): void
}

export function makeBreaks(clock: Clock, alone: (taken: Taken) => void, several: () => void): Breaks {
  let recent: Taken[] = []
  let suspects: Taken[] = []

  async function judge(): Promise<void> {
    await clock.sleep(togetherMs)
    const broken = recent.filter((taken) => !taken.over)
    const wereSeveral = recent.length > 1
    recent = []
    if (wereSeveral) {
      suspects.push(...broken)
      several()
    } else for (const taken of broken) alone(taken)
  }

  return {
    broke(taken) {
      recent.push(taken)
      if (recent.length === 1) void judge()
    },
    get suspect() {
      while (suspects[0]?.over) suspects.shift()
      return suspects[0]
    },
    has: (taken) => suspects.includes(taken),
    cleared(taken) {
      suspects = suspects.filter((s) => s !== taken)
    },
  }
}
