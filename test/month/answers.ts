import { audioUsageIn, usageIn } from '../../src/dispatch/http/answer-usage.ts'
import { isAudio } from '../../src/domain/endpoints.ts'
import type { Ending } from '../../src/domain/outcome.ts'
import { noUsage } from '../../src/domain/usage.ts'
import type { Chance } from '../support/chance.ts'

/** What a line comes to, by chance: an answer that tells its usage, a refusal that tells none or (as of a filter that looked at the answer) some, or nothing. */
export function endingOf(endpoint: string, chance: Chance): Ending {
  if (chance.happens(0.05)) return { kind: 'unanswered', code: 'request_timeout', message: 'It took too long.' }
  const isGood = chance.happens(0.85)
  const told = isGood || chance.happens(0.5) ? usageOf(endpoint, chance) : null
  const body = Buffer.from(
    JSON.stringify({ ...(isGood ? { text: 'yes' } : { error: { message: 'no' } }), ...(told && { usage: told }) }),
  )
  const usage = (isAudio(endpoint) ? audioUsageIn(body, null)?.usage : usageIn(body)) ?? noUsage
  return { kind: 'answered', status: isGood ? 200 : 400, requestId: null, body: [body], usage }
}

function usageOf(endpoint: string, chance: Chance): object {
  if (isAudio(endpoint)) return { type: 'duration', seconds: chance.between(1, 90_000) / 1000 }
  const prompt = chance.between(1, 9_000)
  if (endpoint === '/v1/embeddings') return { prompt_tokens: prompt, total_tokens: prompt }
  const completion = chance.between(0, 2_000)
  const counts = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
  return chance.happens(0.5) ? counts : { ...counts, prompt_tokens_details: { cached_tokens: chance.between(0, prompt) } }
}
