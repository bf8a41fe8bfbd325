/** How many tokens lines will take, before they have run: from what stands in them, and from what earlier ones took. */
import type { Ending } from './outcome.ts'

const bytesOfToken = 4
/** Of an answer whose line says nothing of its length. */
const usualOutput = 256
const outputAtMost = 1_000_000

export interface Estimate {
  readonly input: number
  readonly output: number
}

/** `limit`: what the line lets its answer have; null: it does not say. `answers`: has an answer of this endpoint tokens at all? */
export const tokensOfLine = (bodyBytes: number, answers: boolean, limit: number | null): Estimate => ({
  input: Math.ceil(bodyBytes / bytesOfToken),
  output: answers ? Math.min(limit ?? usualOutput, outputAtMost) : 0,
})

/** What lines that have ended were estimated at, and what they took. */
export interface Experience {
  readonly estimated: number
  readonly used: number
}

const doubt = 10_000
const [least, most] = [1 / 32, 32]

/** By how much estimates are off, learned from those that can be held against what came of them; a few lines count for little. */
export const learnedFactor = ({ estimated, used }: Experience): number =>
  Math.min(most, Math.max(least, (used + doubt) / (estimated + doubt)))

/** What of an estimate is still to come: given back as lines end. */
export const stillEnqueued = (enqueued: number, lines: number, ended: number): number =>
  lines === 0 ? 0 : Math.ceil((enqueued * Math.max(0, lines - ended)) / lines)

/** A second of audio counts for so many: the frames a second of Whisper's encoder (Radford et al., 2022, section 2.2). */
const tokensOfSecond = 50

/** What a line took of its backend, in tokens, at most what one can be taken for; null: its answer does not say. */
export function tokensServed(ending: Ending): number | null {
  if (ending.kind === 'unanswered') return null
  const { totalTokens, durationMs } = ending.usage
  return Math.min(outputAtMost, totalTokens || Math.ceil((durationMs * tokensOfSecond) / 1000)) || null
}

/** Of a batch whose lines nothing has told of yet, so many count as if they had taken what they were taken for. */
const priorLines = 8

/** What the next line of a batch is taken for: its plan's estimate a line, and more and more what its lines took of which is known. At least one token. */
export const tokensALine = (
  plan: { readonly lines: number; readonly tokens: number },
  known: { readonly lines: number; readonly tokens: number },
): number =>
  Math.max(1, (priorLines * (plan.lines > 0 ? plan.tokens / plan.lines : 0) + known.tokens) / (priorLines + known.lines))
