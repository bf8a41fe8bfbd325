/** What a line, a shard or a batch has used. Sums only: adding is commutative and associative, so a replay in another order gives the same. */
export interface Usage {
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly totalTokens: number
  /** Milliseconds of audio, for what is billed by duration. */
  readonly durationMs: number
}

export const noUsage: Usage = {
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  totalTokens: 0,
  durationMs: 0,
}

export const addUsage = (a: Usage, b: Usage): Usage => ({
  inputTokens: a.inputTokens + b.inputTokens,
  cachedTokens: a.cachedTokens + b.cachedTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  reasoningTokens: a.reasoningTokens + b.reasoningTokens,
  totalTokens: a.totalTokens + b.totalTokens,
  durationMs: a.durationMs + b.durationMs,
})

/** Lines that ended (completed, failed) and what they used. The unit in which checkpoints are summed. */
export interface Sums extends Usage {
  readonly completed: number
  readonly failed: number
}
export const noSums: Sums = { ...noUsage, completed: 0, failed: 0 }

export const addSums = (a: Sums, b: Sums): Sums => ({
  ...addUsage(a, b),
  completed: a.completed + b.completed,
  failed: a.failed + b.failed,
})

/** An answer that says more is not believed: ten million of these still add up to a number that is exact. */
const [mostTokens, mostSeconds] = [1e8, 5e5]

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= mostTokens ? value : 0
const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

/** Who told how long audio plays: the answer, the file's own header, or nobody. */
export type TimedBy = 'answer' | 'file' | 'nobody'

const seconds = (value: unknown): number => {
  const given = typeof value === 'string' ? Number(value) : value
  return typeof given === 'number' && Number.isFinite(given) && given > 0 && given <= mostSeconds ? given : 0
}

/**
 * Of the answer to audio: its tokens if it tells any, for then it is billed by them; else its seconds, from `usage` (`{"type":"duration","seconds":n}`) or `duration` (of
 * `verbose_json`, in some servers a text), or `fileSeconds`, which the file told.
 */
export function readAudioUsage(
  answer: unknown,
  fileSeconds: number | null,
): { readonly usage: Usage; readonly timedBy: TimedBy } {
  const tokens = readUsage(answer)
  const told = seconds(record(record(answer).usage).seconds) || seconds(record(answer).duration)
  const timedBy = told > 0 ? 'answer' : fileSeconds !== null ? 'file' : 'nobody'
  const durationMs = tokens.totalTokens > 0 ? 0 : Math.round((told || seconds(fileSeconds)) * 1000)
  return { usage: { ...tokens, durationMs }, timedBy }
}

/**
 * Reads the `usage` of an answer: chat and completions (`prompt_tokens`, `completion_tokens`), responses (`input_tokens`, `output_tokens`), embeddings
 * (`prompt_tokens` alone). What is missing, negative, more than an answer can have or not a whole number counts as 0; a missing
 * total is input plus output.
 */
export function readUsage(answer: unknown): Usage {
  const usage = record(record(answer).usage)
  const inputTokens = count(usage.input_tokens) || count(usage.prompt_tokens)
  const outputTokens = count(usage.output_tokens) || count(usage.completion_tokens)
  const cached = record(usage.input_tokens_details).cached_tokens ?? record(usage.prompt_tokens_details).cached_tokens
  const reasoning =
    record(usage.output_tokens_details).reasoning_tokens ?? record(usage.completion_tokens_details).reasoning_tokens
  return {
    inputTokens,
    outputTokens,
    cachedTokens: count(cached),
    reasoningTokens: count(reasoning),
    totalTokens: count(usage.total_tokens) || inputTokens + outputTokens,
    durationMs: 0,
  }
}
