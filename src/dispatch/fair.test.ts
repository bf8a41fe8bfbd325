import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Feed, Sendable } from './feed.ts'
import { makeSchedule } from './schedule.ts'
import type { Flight, Lane } from './state.ts'

/** What a line takes and is taken for is at most so much. */
const most = 1000
const steps = 3000

interface Project {
  readonly weight: number
  readonly takes: readonly [number, number]
  readonly takenFor: number
  /** Steps at which it has no lines. */
  readonly idle: readonly [number, number]
}

const project = fc.record({
  weight: fc.integer({ min: 1, max: 4 }),
  takes: fc.tuple(fc.integer({ min: 1, max: most }), fc.integer({ min: 1, max: most })),
  takenFor: fc.integer({ min: 1, max: most }),
  idle: fc.tuple(fc.nat(steps), fc.nat(steps / 2)),
})

/** One lane with so many slots, of which each step one ends. Gives what each project was served after each step, and whether it had lines. */
function run(projects: readonly Project[], slots: number) {
  const schedule = makeSchedule(
    () => {},
    (turn, feed, line) => ({ turn, feed, line, charged: 0 }) as Flight,
  )
  const has = projects.map(() => true)
  const sent = projects.map(() => 0)
  const feeds = projects.map(({ weight, takenFor }, i): Feed => {
    const line = { body: Buffer.alloc(0), signal: new AbortController().signal, of: i }
    return {
      projectId: `p${i}`,
      batchId: `b${i}`,
      model: 'm',
      endpoint: '/v1/chat/completions',
      deadlineAt: i,
      lines: 1,
      weight,
      atRisk: false,
      tokensALine: takenFor,
      take: (): Sendable | undefined => (has[i] ? (sent[i]!++, line) : undefined),
      maySend: () => true,
      settle: () => {},
      stopped: () => {},
    }
  })
  const rotas = feeds.map((feed) => schedule.add(feed))
  const lane = {} as Lane
  const out: { flight: Flight; of: number; tokens: number }[] = []
  const served = projects.map(() => 0)
  const seen: { readonly served: readonly number[]; readonly has: readonly boolean[] }[] = []
  for (let step = 0; step < steps; step++) {
    for (const [
      i,
      {
        idle: [from, long],
      },
    ] of projects.entries()) {
      const now = step < from || step >= from + long
      has[i] = now
      if (now) schedule.wake(feeds[i]!)
    }
    while (out.length < slots) {
      const flight = schedule.next(rotas[0]!, lane)
      if (!flight) break
      const of = feeds.indexOf(flight.feed)
      const { takes } = projects[of]!
      out.push({ flight, of, tokens: takes[sent[of]! % 2]! })
    }
    const ended = out.splice((step * 7919) % Math.max(1, out.length), 1)[0]
    if (ended) {
      served[ended.of]! += ended.tokens
      schedule.served(ended.flight, ended.tokens)
    }
    seen.push({ served: [...served], has: [...has] })
  }
  return seen
}

/** The most by which two projects' tokens by weight differ over any interval in which both have lines. */
function unfairness(seen: ReturnType<typeof run>, [a, b]: readonly [number, number], weights: readonly number[]): number {
  let worst = 0
  let [low, high] = [Infinity, -Infinity]
  for (const { served, has } of seen) {
    if (!has[a] || !has[b]) {
      ;[low, high] = [Infinity, -Infinity]
      continue
    }
    const ahead = served[a]! / weights[a]! - served[b]! / weights[b]!
    ;[low, high] = [Math.min(low, ahead), Math.max(high, ahead)]
    worst = Math.max(worst, high - low)
  }
  return worst
}

test('over any interval in which two projects have lines, tokens by weight differ by no more than the bound', () =>
  fc.assert(
    fc.property(fc.array(project, { minLength: 2, maxLength: 5 }), fc.integer({ min: 1, max: 4 }), (projects, slots) => {
      const seen = run(projects, slots)
      const weights = projects.map(({ weight }) => weight)
      for (let a = 0; a < projects.length; a++)
        for (let b = a + 1; b < projects.length; b++)
          expect(unfairness(seen, [a, b], weights)).toBeLessThanOrEqual(
            (3 * slots + 1) * most * (1 / weights[a]! + 1 / weights[b]!),
          )
    }),
    { numRuns: 60 },
  ))

test('who sends lines of a thousand tokens is served a hundredth as many as who sends lines of ten; who comes late has no credit', () => {
  const heavy: Project = { weight: 1, takes: [1000, 1000], takenFor: 10, idle: [0, 0] }
  const light: Project = { weight: 1, takes: [10, 10], takenFor: 1000, idle: [0, 1500] }
  const twice: Project = { weight: 2, takes: [10, 10], takenFor: 10, idle: [0, 0] }
  const seen = run([heavy, light, twice], 2)
  const between = (from: number, to: number) => seen[to]!.served.map((n, i) => n - seen[from]!.served[i]!)
  const [before, , beforeTwice] = between(100, 1499)
  expect(beforeTwice! / before!).toBeGreaterThan(1.5)
  expect(beforeTwice! / before!).toBeLessThan(2.6)
  const [a, b, c] = between(1500, steps - 1)
  expect(b! / a!).toBeGreaterThan(0.7)
  expect(b! / a!).toBeLessThan(1.4)
  expect(c! / b!).toBeGreaterThan(1.6)
  expect(c! / b!).toBeLessThan(2.4)
})
