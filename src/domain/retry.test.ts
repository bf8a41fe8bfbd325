import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Outcome } from './outcome.ts'
import { decide, parseRetryAfter, retryAfterAtMostMs, type RetryPolicy } from './retry.ts'

const policy: RetryPolicy = { attempts: 5, baseMs: 500, maxMs: 60_000 }
const day = 86_400_000
const answered = (status: number, retryAfterMs: number | null = null): Outcome => ({
  kind: 'answered',
  status,
  requestId: null,
  retryAfterMs,
  body: [],
})
const broken: Outcome = { kind: 'broken', message: '' }
const late: Outcome = { kind: 'timeout', phase: 'first-byte' }
const fresh = { burnt: 0, spared: 0 }
const lastTry = { burnt: 4, spared: 9 }

test.each([408, 409, 424, 425, 498, 500, 501, 504, 507, 520, 524])(
  'a %i burns an attempt, and the last one stands in the result',
  (status) => {
    expect(decide(answered(status), fresh, policy, day, Math.random)).toMatchObject({ kind: 'again', burns: true })
    expect(decide(answered(status), lastTry, policy, day, Math.random)).toMatchObject({ kind: 'result', answer: { status } })
  },
)

test.each([429, 502, 503, 521, 522, 523, 529])('a %i burns nothing, however often it comes', (status) => {
  expect(decide(answered(status), { burnt: 4, spared: 1000 }, policy, day, Math.random)).toMatchObject({
    kind: 'again',
    burns: false,
  })
})

test.each([200, 201, 204, 301, 400, 401, 404, 413, 422])('a %i is a result', (status) => {
  expect(decide(answered(status), fresh, policy, day, Math.random)).toMatchObject({ kind: 'result' })
})

test('a broken connection and a late answer burn attempts and end with their codes', () => {
  expect(decide(broken, fresh, policy, day, Math.random)).toMatchObject({ kind: 'again', burns: true })
  expect(decide(broken, lastTry, policy, day, Math.random)).toMatchObject({ kind: 'failed', code: 'backend_unreachable' })
  expect(decide(late, fresh, policy, day, Math.random)).toMatchObject({ kind: 'again', burns: true })
  expect(decide(late, lastTry, policy, day, Math.random)).toMatchObject({ kind: 'failed', code: 'request_timeout' })
})

test('a backend that is away and trouble of our own cost nothing', () => {
  const causes: Outcome[] = [
    { kind: 'unreachable', message: '' },
    { kind: 'ours', message: '' },
    { kind: 'timeout', phase: 'connect' },
  ]
  for (const outcome of causes)
    expect(decide(outcome, lastTry, policy, day, Math.random)).toMatchObject({ kind: 'again', burns: false })
})

test('an answer that is too large is said at once', () => {
  const verdict = decide({ kind: 'too-large', limitBytes: 7 }, fresh, policy, day, Math.random)
  expect(verdict).toMatchObject({ kind: 'failed', code: 'response_too_large', message: 'The answer is larger than 7 bytes.' })
})

test('Retry-After is waited for, but not for ever', () => {
  expect(decide(answered(429, 3000), fresh, policy, day, () => 0)).toMatchObject({ waitMs: 3000 })
  expect(decide(answered(429, day), fresh, policy, day, () => 0)).toMatchObject({ waitMs: retryAfterAtMostMs })
})

const anyOutcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({
    kind: fc.constant('answered' as const),
    status: fc.integer({ min: 200, max: 599 }),
    requestId: fc.constant(null),
    retryAfterMs: fc.option(fc.integer({ min: 0, max: 1e9 })),
    body: fc.constant([]),
  }),
  fc.constantFrom<Outcome>(
    broken,
    late,
    { kind: 'unreachable', message: '' },
    { kind: 'ours', message: '' },
    { kind: 'too-large', limitBytes: 1 },
  ),
)
const anyTried = fc.record({ burnt: fc.nat(10), spared: fc.nat(1000) })
const anyRandom = fc.double({ min: 0, max: 0.999, noNaN: true })

test('while the window is open, no wait goes beyond its end', () =>
  fc.assert(
    fc.property(anyOutcome, anyTried, fc.integer({ min: 1, max: day }), anyRandom, (outcome, tried, leftMs, random) => {
      const verdict = decide(outcome, tried, policy, leftMs, () => random)
      const waitMs = verdict.kind === 'again' ? verdict.waitMs : 0
      expect(waitMs).toBeGreaterThanOrEqual(0)
      expect(waitMs).toBeLessThanOrEqual(leftMs)
    }),
  ))

test('after the window a line does not hammer while its stop is on the way', () => {
  expect(decide(answered(503), { burnt: 0, spared: 6 }, policy, -5, () => 0.9)).toMatchObject({
    kind: 'again',
    waitMs: 0.9 * 32_000,
  })
})

test('no line is sent more often than its attempts allow, whatever burns them', () =>
  fc.assert(
    fc.property(anyOutcome, anyTried, anyRandom, (outcome, tried, random) => {
      const verdict = decide(outcome, tried, policy, day, () => random)
      expect(verdict.kind === 'again' && verdict.burns && tried.burnt + 1 >= policy.attempts).toBe(false)
    }),
  ))

test('Retry-After is read in both forms, and nothing else is', () => {
  const now = Date.parse('2026-01-02T03:04:05Z')
  expect(parseRetryAfter('7', now)).toBe(7000)
  expect(parseRetryAfter(' 0.5 ', now)).toBe(500)
  expect(parseRetryAfter('Fri, 02 Jan 2026 03:04:15 GMT', now)).toBe(10_000)
  expect(parseRetryAfter('Fri, 02 Jan 2026 03:00:00 GMT', now)).toBe(0)
  for (const text of ['', 'soon', '-3', '5 apples', '1e9', '2027-01-01']) expect(parseRetryAfter(text, now)).toBeNull()
})
