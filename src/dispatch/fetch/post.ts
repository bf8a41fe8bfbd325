import { tooLate } from '../../domain/fetch-error.ts'
import { checkAddress } from '../../domain/fetch-rules.ts'
import { systemClock } from '../../kit/clock.ts'
import { systemDial } from './dial.ts'
import type { FetchParts } from './guarded.ts'
import { ask, type Sent } from './hop.ts'
import { systemResolve } from './lookup.ts'
import { startWatch } from './watch.ts'

export interface PostParts extends Pick<FetchParts, 'rules' | 'signal' | 'clock' | 'resolve' | 'dial'> {
  /** Milliseconds to connect, and until the head of the answer has come. */
  readonly limits: { readonly connectMs: number; readonly totalMs: number }
}

/**
 * Posts to an address that a caller named, under the same guard as what is fetched for them (`guarded.ts`), and gives the status of the answer, whose body is not
 * read. A redirect is an answer like any other. Throws a `FetchError`, or the signal's reason.
 */
export async function postGuarded(address: string, sent: Sent, parts: PostParts): Promise<number> {
  const { rules, limits, signal, clock = systemClock, resolve = systemResolve, dial = systemDial } = parts
  signal.throwIfAborted()
  const target = checkAddress(address, rules)
  const { connectMs, totalMs } = limits
  const watch = startWatch({ totalMs, stallMs: totalMs }, clock, signal, () => tooLate(target.origin, totalMs))
  try {
    const answer = await ask(target, { rules, connectMs, clock, resolve, dial }, watch, sent)
    return answer.status
  } finally {
    watch.end()
  }
}
