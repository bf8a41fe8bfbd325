import { unreachable } from '../../src/domain/fetch-error.ts'
import type { WebhookParts } from '../../src/worker/parts.ts'
import type { Chance } from '../support/chance.ts'
import type { Life } from './life.ts'
import type { Profile } from './profile.ts'

/** What has come to the webhooks of the world: the bytes of each event. */
export type Heard = Map<string, Set<string>>

const tryMs = 20_000

/** The listener of a project, as a process reaches it: slow at times, full, or away; and an answer may be lost when the event has come. */
export function webhooksOf(heard: Heard, { clock }: Life, chance: Chance, profile: () => Profile): WebhookParts {
  return {
    async post(address, { headers, body }, signal) {
      const isHealthy = profile().everyMs.crash === Infinity || chance.happens(0.6)
      await clock.sleep(isHealthy ? chance.between(1, 50) : chance.between(1, tryMs), signal)
      signal.throwIfAborted()
      if (!isHealthy && chance.happens(0.5)) throw unreachable(address, 'ECONNREFUSED')
      const id = headers['webhook-id'] ?? ''
      heard.set(id, (heard.get(id) ?? new Set()).add(body))
      if (!isHealthy && chance.happens(0.5)) throw unreachable(address, 'ECONNRESET')
      return isHealthy ? 200 : 500
    },
    tryMs,
    signingKeys: () => Promise.resolve([Buffer.alloc(32, 7)]),
  }
}
