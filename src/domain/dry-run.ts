import type { PlanError } from './batch.ts'
import { isAudio } from './endpoints.ts'
import { learnedFactor, type Estimate, type Experience } from './estimate.ts'
import { costOfEstimate, costWire, priceOn, type PriceList } from './price.ts'
import type { Day } from './day.ts'

/** What would come of a batch. */
export type DryRun =
  | { readonly kind: 'refused'; readonly errors: readonly PlanError[] }
  | {
      readonly kind: 'good'
      readonly endpoint: string
      readonly lines: number
      readonly bytes: number
      readonly model: string
      readonly tokens: Estimate
    }

/** What is known of a project and a model. `msPerToken`: of batches that have run; null: none has. */
export interface Known {
  readonly experience: Experience
  readonly msPerToken: number | null
  readonly prices: PriceList
  readonly today: Day
}

const wrong = (errors: readonly PlanError[]) => ({ object: 'list' as const, data: errors.map((error) => ({ ...error })) })

/** Nobody knows how long audio plays before it has run. */
const isPricedByTime = ({ endpoint, model }: { endpoint: string; model: string }, { prices }: PriceList, today: Day): boolean =>
  isAudio(endpoint) && (priceOn(prices, model, today)?.minute ?? 0n) > 0n

/** Tokens, cost and time as they will be if this batch is like those that the project ran before. */
export function dryRunWire(run: DryRun, { experience, msPerToken, prices, today }: Known) {
  if (run.kind === 'refused')
    return {
      object: 'batch.dry_run' as const,
      valid: false,
      errors: wrong(run.errors),
      model: null,
      lines: null,
      bytes: null,
      estimated_tokens: null,
      estimated_cost: null,
      expected_seconds: null,
    }
  const factor = learnedFactor(experience)
  const [input, output] = [Math.ceil(run.tokens.input * factor), Math.ceil(run.tokens.output * factor)]
  const cost = isPricedByTime(run, prices, today) ? null : costOfEstimate(prices, run.model, today, { input, output })
  return {
    object: 'batch.dry_run' as const,
    valid: true,
    errors: null,
    model: run.model,
    lines: run.lines,
    bytes: run.bytes,
    estimated_tokens: { input, output, total: input + output },
    estimated_cost: costWire(prices, cost),
    expected_seconds: msPerToken === null ? null : Math.ceil(((input + output) * msPerToken) / 1000),
  }
}
export type DryRunView = ReturnType<typeof dryRunWire>
