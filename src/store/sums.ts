import type { Sums } from '../domain/usage.ts'
import { int, type Row, type Value } from './db.ts'

/** The eight columns that segments, shards and batches share, in the order of `sumValues`. */
export const sumColumns = [
  'completed',
  'failed',
  'input_tokens',
  'cached_tokens',
  'output_tokens',
  'reasoning_tokens',
  'total_tokens',
  'duration_ms',
] as const

export const sumValues = (s: Sums): Value[] => [
  s.completed,
  s.failed,
  s.inputTokens,
  s.cachedTokens,
  s.outputTokens,
  s.reasoningTokens,
  s.totalTokens,
  s.durationMs,
]

export const sumsOf = (row: Row): Sums => ({
  completed: int(row, 'completed'),
  failed: int(row, 'failed'),
  inputTokens: int(row, 'input_tokens'),
  cachedTokens: int(row, 'cached_tokens'),
  outputTokens: int(row, 'output_tokens'),
  reasoningTokens: int(row, 'reasoning_tokens'),
  totalTokens: int(row, 'total_tokens'),
  durationMs: int(row, 'duration_ms'),
})
