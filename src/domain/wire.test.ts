import { expect, test } from 'vitest'
import { noUsage } from './usage.ts'
import { usageWire } from './wire.ts'

const audio = '/v1/audio/transcriptions'

test.each([
  ['tokens', { totalTokens: 13 }, '/v1/chat/completions', { type: 'tokens' }],
  ['audio by its seconds', { durationMs: 9500 }, audio, { type: 'duration', seconds: 9.5 }],
  ['audio of which nobody knows anything', {}, audio, { type: 'duration', seconds: 0 }],
  ['audio by tokens', { totalTokens: 13 }, audio, { type: 'tokens' }],
  [
    'audio by tokens where answers told them, else by seconds',
    { totalTokens: 13, durationMs: 9000 },
    audio,
    { type: 'tokens', seconds: 9 },
  ],
])('usage of %s', (_, used, endpoint, says) => {
  const { input_tokens_details, output_tokens_details, input_tokens, output_tokens, total_tokens, ...said } = usageWire(
    { ...noUsage, ...used },
    endpoint,
  )
  expect(said).toEqual(says)
  expect(total_tokens).toBe('totalTokens' in used ? 13 : 0)
  expect([input_tokens_details, output_tokens_details, input_tokens, output_tokens]).toEqual([
    { cached_tokens: 0 },
    { reasoning_tokens: 0 },
    0,
    0,
  ])
})
