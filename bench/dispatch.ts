/**
 * The sending phase alone: a bare loop over `Pool.request` (bodies read to the end and dropped) is 1.00, the dispatcher with a synthetic feed stands beside it,
 * alternating in one process against an instant mock in another. Then many calls in flight against a slow backend: bytes of memory a call.
 *   npx tsx bench/dispatch.ts [--lines 50000] [--rounds 5] [--open 64] [--flying 10000] [--quick]
 */
import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { Pool } from 'undici'
import { makeDispatcher } from '../src/dispatch/dispatcher.ts'
import type { DispatchSettings, Feed, Sendable } from '../src/dispatch/feed.ts'
import { systemClock } from '../src/kit/clock.ts'
import { startNginx } from './nginx.ts'

const { values } = parseArgs({
  options: {
    lines: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '5' },
    open: { type: 'string', default: '64' },
    flying: { type: 'string', default: '10000' },
    quick: { type: 'boolean', default: false },
    slow: { type: 'string' },
  },
})
const path = '/v1/chat/completions'
const line = Buffer.from(
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(259) }], max_tokens: 16 }).padEnd(330),
)
const answer = JSON.stringify({
  id: 'chatcmpl-0123456789',
  object: 'chat.completion',
  created: 1763800000,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'y'.repeat(240) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 12, completion_tokens: 34, total_tokens: 46 },
}).padEnd(500)

function serveSlowly(ms: number): void {
  const server = createServer((request, response) => {
    request.resume()
    setTimeout(() => response.setHeader('content-type', 'application/json').end(answer), ms)
  })
  server.keepAliveTimeout = 60_000
  server.listen({ port: 0, host: '127.0.0.1', backlog: 16_384 }, () => process.send?.((server.address() as AddressInfo).port))
  process.on('disconnect', () => process.exit())
}

interface Run {
  readonly perSecond: number
  readonly cpuMicros: number
}

async function timed(lines: number, run: () => Promise<void>): Promise<Run> {
  globalThis.gc?.()
  const cpu = process.cpuUsage()
  const from = performance.now()
  await run()
  const ms = performance.now() - from
  const used = process.cpuUsage(cpu)
  return { perSecond: (lines / ms) * 1000, cpuMicros: (used.user + used.system) / lines }
}

async function bare(url: string, lines: number, open: number): Promise<void> {
  const pool = new Pool(url, { connections: open })
  let left = lines
  const loop = async () => {
    while (left-- > 0) {
      const { body } = await pool.request({ path, method: 'POST', body: line, headers: { 'content-type': 'application/json' } })
      for await (const chunk of body) void chunk
    }
  }
  await Promise.all(Array.from({ length: open }, loop))
  await pool.close()
}

const settingsOf = (url: string, open: number): DispatchSettings => ({
  backends: [{ url, key: null, headers: {}, models: ['m'], endpoints: null, maxInFlight: open }],
  attempts: 5,
  backoffBaseMs: 500,
  backoffMaxMs: 60_000,
  connectTimeoutMs: 5_000,
  firstByteTimeoutMs: 600_000,
  answerTimeoutMs: 1_800_000,
  maxAnswerBytes: 64 * 1024 * 1024,
  startInFlight: open,
  discoverEveryMs: 60_000,
})

/** A feed of so many lines, a signal for each thousand, as shards have them. */
function synthetic(lines: number, done: () => void): Feed {
  let taken = 0
  let settled = 0
  let tokens = 0
  let { signal } = new AbortController()
  return {
    projectId: 'p',
    batchId: 'b',
    model: 'm',
    endpoint: path,
    deadlineAt: Infinity,
    lines,
    weight: 1,
    atRisk: false,
    tokensALine: 46,
    take(): Sendable | undefined {
      if (taken === lines) return undefined
      if (taken++ % 1000 === 0) ({ signal } = new AbortController())
      return { body: line, signal }
    },
    maySend: () => true,
    settle(_line, ending) {
      if (ending.kind !== 'answered' || ending.status !== 200) throw new Error(`unexpected: ${JSON.stringify(ending)}`)
      tokens += ending.usage.totalTokens
      if (++settled === lines) {
        if (tokens !== lines * 46) throw new Error(`usage was not read: ${tokens}`)
        done()
      }
    },
    stopped: () => {
      throw new Error('nothing was stopped')
    },
  }
}

async function dispatched(url: string, lines: number, open: number, during?: () => unknown): Promise<void> {
  const dispatcher = makeDispatcher({
    settings: settingsOf(url, open),
    clock: systemClock,
    random: Math.random,
    events: { attempted() {}, audioHeard() {}, backendShut: console.log, backendOpen: console.log },
  })
  const stop = new AbortController()
  const running = dispatcher.run(stop.signal)
  await new Promise<void>((resolve) => {
    dispatcher.add(synthetic(lines, resolve))
    if (during) setTimeout(during, 1500)
  })
  stop.abort()
  await running
}

const best = (runs: readonly Run[]): Run => ({
  perSecond: Math.max(...runs.map((r) => r.perSecond)),
  cpuMicros: Math.min(...runs.map((r) => r.cpuMicros)),
})
const told = ({ perSecond, cpuMicros }: Run) =>
  `${perSecond.toFixed(0).padStart(7)} lines/s  ${cpuMicros.toFixed(1).padStart(6)} us CPU a line`

async function measure(): Promise<void> {
  const lines = Number(values.lines)
  const open = Number(values.open)
  const nginx = await startNginx(answer)
  console.log(`${lines} lines of ${line.length} bytes, answers of ${answer.length}, ${open} in flight, mock: ${nginx.kind}`)
  try {
    await bare(nginx.url, 5_000, open)
    await dispatched(nginx.url, 5_000, open)
    const bares: Run[] = []
    const ours: Run[] = []
    for (let round = 0; round < Number(values.rounds); round++) {
      bares.push(await timed(lines, () => bare(nginx.url, lines, open)))
      ours.push(await timed(lines, () => dispatched(nginx.url, lines, open)))
    }
    const [a, b] = [best(bares), best(ours)]
    console.log(`bare loop   ${told(a)}`)
    console.log(`dispatcher  ${told(b)}`)
    console.log(
      `ratio       ${(b.perSecond / a.perSecond).toFixed(2)} of its lines/s, ${(b.cpuMicros / a.cpuMicros).toFixed(2)} of its CPU`,
    )
  } finally {
    await nginx.stop()
  }
  if (values.quick) return
  await againstDelay(50, 64)
  await againstDelay(50, 256)
  await manyInFlight(Number(values.flying))
}

/** A backend in a process of its own that takes so long for each line. */
async function slowly<T>(ms: number, run: (url: string) => Promise<T>): Promise<T> {
  const child = fork(import.meta.filename, ['--slow', String(ms)], { execArgv: process.execArgv })
  try {
    const port = await new Promise<number>((resolve) => child.once('message', (m) => resolve(Number(m))))
    return await run(`http://127.0.0.1:${port}`)
  } finally {
    child.disconnect()
  }
}

async function againstDelay(ms: number, open: number): Promise<void> {
  const lines = (open * 10_000) / ms
  const [a, b] = await slowly(ms, async (url) => {
    await dispatched(url, open, open)
    return [await timed(lines, () => bare(url, lines, open)), await timed(lines, () => dispatched(url, lines, open))] as const
  })
  const ideal = (open / ms) * 1000
  console.log(
    `${ms} ms, ${open} in flight: bare loop ${(a.perSecond / ideal).toFixed(3)} of the ideal, dispatcher ${(b.perSecond / ideal).toFixed(3)}`,
  )
}

async function manyInFlight(flying: number): Promise<void> {
  const ms = 2000
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  let peak = 0
  const lines = flying * 4
  const run = await slowly(ms, (url) =>
    timed(lines, () => dispatched(url, lines, flying, () => (peak = process.memoryUsage().rss))),
  )
  const ideal = (flying / ms) * 1000
  console.log(
    `${flying} in flight, ${ms} ms: ${told(run)}, ${(run.perSecond / ideal).toFixed(2)} of the ideal, RSS ${(peak / 1e6).toFixed(0)} MB, ${((peak - before) / flying / 1000).toFixed(1)} kB a call`,
  )
}

if (values.slow !== undefined) serveSlowly(Number(values.slow))
else await measure()
