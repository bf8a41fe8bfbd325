/** Usage as clients see it: our own rows, and OpenAI's pages of buckets as far as they fit. */
import { dateOf, startOfDay, type Day } from './day.ts'
import { isAudio } from './endpoints.ts'
import { costWire, type Cost, type PriceList } from './price.ts'
import type { UsageRow } from './usage-rows.ts'

/** A key stands in a row only if rows were told apart by it. `cost`: null where something in it has no price; left out where there is no price list. */
export const usageRowWire = (
  { day, projectId, keyId, model, endpoint, batches, sums }: UsageRow,
  prices: PriceList,
  cost: bigint | null,
  projectName: string | undefined,
) => ({
  object: 'usage',
  ...(day !== null && { date: dateOf(day) }),
  ...(projectId !== null && { project_id: projectId }),
  ...(projectName !== undefined && { project_name: projectName }),
  ...(keyId !== null && { api_key_id: keyId }),
  ...(model !== null && { model }),
  ...(endpoint !== null && { endpoint }),
  batches,
  requests: { completed: sums.completed, failed: sums.failed },
  input_tokens: sums.inputTokens,
  input_cached_tokens: sums.cachedTokens,
  output_tokens: sums.outputTokens,
  total_tokens: sums.totalTokens,
  seconds: sums.durationMs / 1000,
  ...(prices.prices.length > 0 && { cost: costWire(prices, cost) satisfies Cost | null }),
})

/** OpenAI's kinds of usage, and the endpoints of each. */
export const usageKinds: Readonly<Record<string, (endpoint: string) => boolean>> = {
  completions: (endpoint) => /^\/v1\/(chat\/completions|responses|completions)$/.test(endpoint),
  embeddings: (endpoint) => endpoint === '/v1/embeddings',
  moderations: (endpoint) => endpoint === '/v1/moderations',
  audio_transcriptions: isAudio,
}

/** One result of a bucket. What it is not told apart by is null, as there. */
export const bucketResultWire = (kind: string, projectId: string | null, { keyId, model, sums }: UsageRow) => ({
  object: `organization.usage.${kind}.result`,
  project_id: projectId,
  user_id: null,
  api_key_id: keyId,
  model,
  ...(kind === 'audio_transcriptions' ? { seconds: Math.round(sums.durationMs / 1000) } : { input_tokens: sums.inputTokens }),
  ...(kind === 'completions' && {
    output_tokens: sums.outputTokens,
    input_cached_tokens: sums.cachedTokens,
    input_audio_tokens: 0,
    output_audio_tokens: 0,
    batch: true,
  }),
  num_model_requests: sums.completed + sums.failed,
})

export const bucketWire = (day: Day, results: readonly ReturnType<typeof bucketResultWire>[]) => ({
  object: 'bucket',
  start_time: startOfDay(day) / 1000,
  end_time: startOfDay(day + 1) / 1000,
  results,
})
