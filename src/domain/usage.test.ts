import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addUsage, noUsage, readAudioUsage, readUsage } from './usage.ts'

const some = fc.record({
  inputTokens: fc.nat(),
  cachedTokens: fc.nat(),
  outputTokens: fc.nat(),
  reasoningTokens: fc.nat(),
  totalTokens: fc.nat(),
  durationMs: fc.nat(),
})

test('usage adds up the same in any order and grouping', () => {
  fc.assert(
    fc.property(some, some, some, (a, b, c) => {
      expect(addUsage(addUsage(a, b), c)).toEqual(addUsage(c, addUsage(b, a)))
      expect(addUsage(a, noUsage)).toEqual(a)
    }),
  )
})

test('chat, responses and embeddings say their usage each in its own words', () => {
  const chat = {
    usage: {
      prompt_tokens: 5,
      completion_tokens: 3,
      total_tokens: 8,
      prompt_tokens_details: { cached_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 1 },
    },
  }
  const responses = {
    usage: {
      input_tokens: 5,
      output_tokens: 3,
      total_tokens: 8,
      input_tokens_details: { cached_tokens: 2 },
      output_tokens_details: { reasoning_tokens: 1 },
    },
  }
  const seen = { inputTokens: 5, outputTokens: 3, totalTokens: 8, cachedTokens: 2, reasoningTokens: 1, durationMs: 0 }
  expect(readUsage(chat)).toEqual(seen)
  expect(readUsage(responses)).toEqual(seen)
  expect(readUsage({ usage: { prompt_tokens: 7, total_tokens: 7 } })).toEqual({ ...noUsage, inputTokens: 7, totalTokens: 7 })
})

test('an answer that says more than one can have is not believed', () => {
  expect(readUsage({ usage: { prompt_tokens: Number.MAX_SAFE_INTEGER, completion_tokens: 3 } })).toMatchObject({
    inputTokens: 0,
    totalTokens: 3,
  })
  expect(readUsage({ usage: { prompt_tokens: 1e8 } }).totalTokens).toBe(1e8)
  expect(readAudioUsage({ usage: { type: 'duration', seconds: 1e8 } }, 2)).toMatchObject({
    usage: { durationMs: 2000 },
    timedBy: 'file',
  })
  expect(readAudioUsage({ text: 'x' }, 1e300).usage.durationMs).toBe(0)
})

test('whatever an answer says, usage is never negative, fractional or missing', () => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (usage, detail) => {
      const read = readUsage({
        usage: { prompt_tokens: usage, completion_tokens: detail, total_tokens: usage, prompt_tokens_details: detail },
      })
      expect(Object.values(read).every((n) => Number.isSafeInteger(n) && n >= 0)).toBe(true)
      expect(
        Object.values(read).every((n) => Number.isSafeInteger(n * 1e7)),
        'ten million of them',
      ).toBe(true)
      expect(Object.values(readUsage(usage)).every((n) => Number.isSafeInteger(n) && n >= 0)).toBe(true)
    }),
  )
})
