/** Holds keys to how often they may do things, over all processes, and says in the headers of each answer where they stand. */
import type { FastifyReply } from 'fastify'
import type { Caller } from '../../auth/caller.ts'
import { tooOften } from '../../domain/errors.ts'
import {
  handful,
  heldMs,
  limitOf,
  periodOf,
  remaining,
  shownTime,
  stepOf,
  type RateKind,
  type RateLimits,
} from '../../domain/rate.ts'
import type { Operation } from '../../domain/rights.ts'
import type { Clock } from '../../kit/clock.ts'
import type { Db } from '../../store/db.ts'
import { takeRate } from '../../store/rates.ts'

const heldAtMost = 10_000

interface Held {
  left: number
  readonly until: number
  readonly ahead: number
}

interface Answer {
  readonly taken: boolean
  readonly ahead: number
}

const kindsOf = (operation: Operation): readonly RateKind[] =>
  operation === 'batches.create' || operation === 'batches.retry'
    ? ['requests', 'creates']
    : operation === 'files.upload'
      ? ['requests', 'uploads']
      : ['requests']

export type Throttle = (caller: Caller, operation: Operation, reply: FastifyReply) => Promise<void>

/** `all`: the limits of keys that have none of their own. @throws 429 */
export function makeThrottle({ db, clock }: { db: Db; clock: Clock }, all: RateLimits): Throttle {
  const held = new Map<string, Held>()
  const taking = new Map<string, Promise<Answer>>()

  /** One asks the database for all that are there at once: each on its own would wait for the others at the row. */
  async function take(caller: Caller, kind: RateKind, limit: number): Promise<Answer> {
    const name = `${caller.keyId} ${kind}`
    for (;;) {
      const there = held.get(name)
      if (there && there.left > 0 && there.until > clock.monotonic()) {
        there.left--
        return { taken: true, ahead: there.ahead - there.left * stepOf(kind, limit) }
      }
      const going = taking.get(name)
      if (!going) break
      const answer = await going
      if (!answer.taken) return answer
    }
    const mine = takeMore(name, caller, kind, limit).finally(() => taking.delete(name))
    taking.set(name, mine)
    return mine
  }

  async function takeMore(name: string, caller: Caller, kind: RateKind, limit: number): Promise<Answer> {
    const step = stepOf(kind, limit)
    for (const count of new Set([handful(kind, limit), 1])) {
      const ask = { keyId: caller.keyId, kind, step: step * count, period: periodOf(kind) }
      const { taken, ahead } = await takeRate(db, ask)
      if (!taken && count > 1) continue
      if (held.size >= heldAtMost) held.clear()
      if (count > 1) held.set(name, { left: count - 1, until: clock.monotonic() + heldMs(kind), ahead })
      return { taken, ahead: ahead - (count - 1) * step }
    }
    return { taken: false, ahead: periodOf(kind) }
  }

  return async (caller, operation, reply) => {
    for (const kind of kindsOf(operation)) {
      const limit = limitOf(kind, caller.limits, all)
      if (limit === null) continue
      const { taken, ahead } = await take(caller, kind, limit)
      void reply.headers({
        [`x-ratelimit-limit-${kind}`]: String(limit),
        [`x-ratelimit-remaining-${kind}`]: String(taken ? remaining(kind, limit, ahead) : 0),
        [`x-ratelimit-reset-${kind}`]: shownTime(Math.max(0, ahead / 1000)),
      })
      if (!taken) throw tooOften(kind, limit, Math.max(1, (ahead + stepOf(kind, limit) - periodOf(kind)) / 1000))
    }
  }
}
