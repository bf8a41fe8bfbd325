import { expect, test } from 'vitest'
import type { ProjectId } from './ids.ts'
import { eventBody, hasSecretOf, oldSecretMs, pauseAfter, secretOf, secretsAt, signedHeaders, type Webhook } from './webhook.ts'

const key = Buffer.alloc(32, 7)
const webhook: Webhook = {
  id: 'wh_1',
  projectId: 'p' as ProjectId,
  url: 'https://example.com/',
  events: [],
  secretNumber: 1,
  oldUntil: 0,
  createdAt: 0,
  disabledAt: null,
}

test('the test vector of contract 8', () => {
  const body = eventBody({ eventId: 'evt_1', type: 'batch.completed', subject: 'batch_1', createdAt: 1_763_800_000_000 })
  expect(body).toBe('{"id":"evt_1","object":"event","type":"batch.completed","created_at":1763800000,"data":{"id":"batch_1"}}')
  const secret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY='
  expect(signedHeaders('wh_1', body, [secret], 1_763_800_000_999)).toEqual({
    'webhook-id': 'wh_1',
    'webhook-timestamp': '1763800000',
    'webhook-signature': 'v1,5EzhJ819QqGwQKWjAUantTIsSSg7D4LCPQJvwhqhp3c=',
  })
})

test('a secret is the same whenever it is made, and another for each webhook, number and signing key', () => {
  const made = [secretOf(key, 'a', 1), secretOf(key, 'a', 2), secretOf(key, 'b', 1), secretOf(Buffer.alloc(32, 8), 'a', 1)]
  expect(new Set(made).size).toBe(4)
  expect(secretOf(key, 'a', 1)).toBe(made[0])
  expect(made[0]).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
})

test('after a rotation both secrets sign, until the old one is over', () => {
  const turned = { ...webhook, secretNumber: 2, oldUntil: 1000 }
  const [one, two] = [secretOf(key, 'wh_1', 1), secretOf(key, 'wh_1', 2)]
  expect(secretsAt([key], webhook, 0)).toEqual([one])
  expect(secretsAt([key], turned, 999)).toEqual([two, one])
  expect(secretsAt([key], turned, 1000)).toEqual([two])
  expect(signedHeaders('i', 'b', [two, one], 0)['webhook-signature']?.split(' ')).toHaveLength(2)
})

test('tries go on for more than a day, and then end', () => {
  const pauses: number[] = []
  for (let attempts = 1; ; attempts++) {
    const [early, late] = [pauseAfter(attempts, 0), pauseAfter(attempts, 1)]
    if (early === null || late === null) break
    expect(early).toBeLessThan(late)
    pauses.push(early)
  }
  expect(pauses.reduce((sum, pause) => sum + pause)).toBeGreaterThan(24 * 3_600_000)
  expect(pauses).toEqual(pauses.toSorted((a, b) => a - b))
})

test('a secret of an old key is one that still counts and was made before, or may have been', () => {
  const made = (secretNumber: number, at: number) => ({
    ...webhook,
    secretNumber,
    createdAt: 0,
    oldUntil: secretNumber > 1 ? at + oldSecretMs : 0,
  })
  expect(hasSecretOf(10, made(1, 0), 20)).toBe(true)
  expect(hasSecretOf(10, { ...made(1, 0), createdAt: 11 }, 20)).toBe(false)
  expect(hasSecretOf(10, made(2, 5), 20)).toBe(true)
  expect(hasSecretOf(10, made(2, 15), 20), 'the one before counts for a day').toBe(true)
  expect(hasSecretOf(10, made(2, 15), 15 + oldSecretMs)).toBe(false)
  expect(hasSecretOf(10, made(2, 5), 5 + 2 * oldSecretMs), 'nobody rotated it since').toBe(true)
})
