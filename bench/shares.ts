/** Fair shares in numbers: what 50 projects are served, by their weights, whatever their lines take; and what it costs to decide who is next. */
import { performance } from 'node:perf_hooks'
import type { Feed, Sendable } from '../src/dispatch/feed.ts'
import { makeSchedule } from '../src/dispatch/schedule.ts'
import type { Flight, Lane } from '../src/dispatch/state.ts'
import { chanceFrom } from '../test/support/chance.ts'
import { answer } from './backend.ts'
import { runBare } from './bare.ts'
import { startNginx } from './nginx.ts'
import { quantile, ratio, row, type Scenario } from './table.ts'

const projects = 50
const slots = 256
const most = 4000
const lane = {} as Lane

/** Projects of weight 1, 2 or 5, whose lines take 10 to 4,000 tokens and are taken for a quarter to four times as many, with 20 batches each. */
function open() {
  const chance = chanceFrom(7)
  const weights = Array.from({ length: projects }, () => chance.pick([1, 2, 5]))
  const usual = weights.map(() => 10 * (most / 10) ** chance.next())
  const schedule = makeSchedule(
    () => {},
    (turn, feed, line) => ({ turn, feed, line, charged: 0 }) as Flight,
  )
  const line: Sendable = { body: Buffer.alloc(0), signal: new AbortController().signal }
  const owner = new Map<Feed, number>()
  const rotas = weights.flatMap((weight, of) =>
    Array.from({ length: 20 }, (_, n) => {
      const feed: Feed = {
        projectId: `p${of}`,
        batchId: `p${of} ${n}`,
        model: 'm',
        endpoint: '/v1/chat/completions',
        deadlineAt: chance.next(),
        lines: chance.between(1, 50_000),
        weight,
        atRisk: false,
        tokensALine: Math.min(most, Math.max(1, usual[of]! * 4 ** (2 * chance.next() - 1))),
        take: () => line,
        maySend: () => true,
        settle: () => {},
        stopped: () => {},
      }
      owner.set(feed, of)
      return schedule.add(feed)
    }),
  )
  const [rota] = rotas
  if (!rota) throw new Error('there is no rota')
  const next = (): Flight => {
    const flight = schedule.next(rota, lane)
    if (!flight) throw new Error('nobody is next')
    return flight
  }
  return { chance, weights, usual, owner, schedule, next }
}

/** A lane of 256 slots, until half a million lines have ended. */
function simulate() {
  const { chance, weights, usual, owner, schedule, next } = open()
  const served = weights.map(() => 0)
  const out: { flight: Flight; of: number; tokens: number }[] = []
  const [low, high] = [weights.map(() => Infinity), weights.map(() => -Infinity)]
  const lines = 500_000
  for (let ended = 0; ended < lines; ended++) {
    while (out.length < slots) {
      const flight = next()
      const of = owner.get(flight.feed) ?? 0
      out.push({ flight, of, tokens: Math.min(most, Math.ceil(usual[of]! * (0.5 + chance.next()))) })
    }
    const [{ flight, of, tokens }] = out.splice(chance.between(0, out.length - 1), 1) as [(typeof out)[number]]
    schedule.served(flight, tokens)
    served[of]! += tokens
    const mean = served.reduce((sum, n, i) => sum + n / weights[i]!, 0) / projects
    if (ended % 100 === 0)
      for (const [i, n] of served.entries()) {
        low[i] = Math.min(low[i]!, n / weights[i]! - mean)
        high[i] = Math.max(high[i]!, n / weights[i]! - mean)
      }
  }
  const byWeight = served.map((n, i) => n / weights[i]!)
  const mean = byWeight.reduce((a, b) => a + b, 0) / projects
  return {
    shares: byWeight.map((n) => n / mean),
    apart: Math.max(...high) - Math.min(...low),
  }
}

/** Microseconds to take a line and to tell what it took, with a lane of 256 slots. */
function deciding(): number {
  const { schedule, next } = open()
  const out = Array.from({ length: slots }, next)
  const lines = 2_000_000
  const from = performance.now()
  for (let i = 0; i < lines; i++) {
    const ended = out[i % slots]
    if (ended) schedule.served(ended, 1 + ((i * 7919) % most))
    out[i % slots] = next()
  }
  return ((performance.now() - from) * 1000) / lines
}

async function shares(): Promise<void> {
  const { shares: each, apart } = simulate()
  deciding()
  const microsALine = deciding()
  row(
    `${projects} projects of weights 1, 2, 5, 1,000 batches, 500,000 lines of 10 to 4,000 tokens: tokens by weight`,
    `${ratio(Math.min(...each))} to ${ratio(Math.max(...each))} of an equal part, median ${ratio(quantile(each, 0.5))}`,
    '1.00',
  )
  row('  furthest apart at any time', `${Math.round(apart)} tokens`, `bound ${(3 * slots + 1) * most * 2}`)
  const mock = await startNginx(answer)
  const bare = await runBare(mock.url, 20_000, 64, 250)
  await mock.stop()
  row(
    '  deciding who is next, a line',
    `${microsALine.toFixed(2)} us = ${((100 * microsALine) / bare.cpuMicros).toFixed(1)} % of the bare loop's CPU a line`,
    '< 1 %',
  )
}

export const shareScenarios: Readonly<Record<string, Scenario>> = { shares }
