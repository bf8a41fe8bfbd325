/** How fast lines go: against the bare loop, against what a slow or full backend can take, with very many in flight. */
import { answer, startBackend } from './backend.ts'
import { runBare } from './bare.ts'
import { upload } from './batch.ts'
import { startServer } from './child.ts'
import { startNginx } from './nginx.ts'
import { configFor, fileOf, mean, ratio, row, writeInput, type Scenario } from './table.ts'
import { timedBatch, type Timed } from './timed.ts'

async function throughput(): Promise<void> {
  const count = 50_000
  const mock = await startNginx(answer)
  await using server = await startServer(['--config', configFor(mock.url)])
  const file = await upload(server, await fileOf(count, 330))
  const bare: { ms: number; cpuMicros: number }[] = []
  const ours: Timed[] = []
  for (let i = 0; i < 5; i++) {
    bare.push(await runBare(mock.url, count, 64, 250))
    ours.push(await timedBatch(server, file, count))
  }
  const least = <T>(list: readonly T[], of: (one: T) => number) => Math.min(...list.map(of))
  const [a, b] = [least(bare, (r) => r.ms), least(ours, (r) => r.ms)]
  const [cpuA, cpuB] = [least(bare, (r) => r.cpuMicros), least(ours, (r) => r.cpuMicros)]
  const perSecond = (ms: number) => Math.round((count / ms) * 1000)
  row(`bare loop, 64 connections, mock ${mock.kind}`, `${perSecond(a)} lines/s, ${cpuA.toFixed(1)} us CPU a line`, '1.00')
  row('Nightshift, create to completed', `${perSecond(b)} lines/s = ${ratio(a / b)} of bare`, '>= 0.80')
  const best = ours.find((r) => r.ms === b)
  row(
    '  its sending phase alone',
    `${ratio(a / least(ours, (r) => r.sendMs))} of bare; of the best: plan ${best?.planMs.toFixed(0)} ms, compose ${best?.composeMs.toFixed(0)} ms`,
  )
  row('  CPU a line', `${cpuB.toFixed(1)} us = ${ratio(cpuB / cpuA)} of bare`, '<= 1.50')
  row(
    '  peak RSS; written a line',
    `${Math.round(server.peakBytes() / 1e6)} MB; ${Math.round(mean(ours.map((r) => r.written)))} bytes`,
  )
  await mock.stop()
}

/** Answers of 1,536 floats, some 30 kB, against a loop that drops them. */
async function embeddings(): Promise<void> {
  const [count, url] = [10_000, '/v1/embeddings']
  const embedding = Array.from({ length: 1536 }, (_, i) => Math.sin(i) / 39)
  const long = JSON.stringify({
    object: 'list',
    model: 'sim',
    data: [{ object: 'embedding', index: 0, embedding }],
    usage: { prompt_tokens: 80, total_tokens: 80 },
  })
  const line = (i: number) =>
    JSON.stringify({ custom_id: `e${i}`, method: 'POST', url, body: { model: 'sim', input: 'x'.repeat(250) } })
  const mock = await startNginx(long)
  const input = writeInput('embeddings', Array.from({ length: count }, (_, i) => `${line(i)}\n`).join(''))
  await using server = await startServer(['--config', configFor(mock.url)])
  const file = await upload(server, input)
  const bares: number[] = []
  const runs: Timed[] = []
  for (let i = 0; i < 3; i++) {
    bares.push((await runBare(mock.url, count, 64, 290)).ms)
    runs.push(await timedBatch(server, file, count, url))
  }
  const bare = Math.min(...bares)
  const best = runs.reduce((a, b) => (b.ms < a.ms ? b : a))
  const speed = (ms: number) => `${Math.round((count * long.length) / ms / 1000)} MB/s`
  row(
    `embeddings, answers of ${Math.round(long.length / 1000)} kB, create to completed`,
    `${speed(best.ms)} = ${ratio(bare / best.ms)} of a bare loop that drops them (${speed(bare)})`,
    '>= 0.70',
  )
  row(
    '  plan, send, compose; CPU a line; written a byte; peak RSS',
    `${[best.planMs, best.sendMs, best.composeMs].map((ms) => ms.toFixed(0)).join(', ')} ms; ${best.cpuMicros.toFixed(0)} us; ${ratio(best.written / long.length)}; ${Math.round(server.peakBytes() / 1e6)} MB`,
  )
  await mock.stop()
}

/** Both are timed alike: from the first request to the last answer. */
async function slow(): Promise<void> {
  const delayMs = 50
  for (const [open, count] of [
    [64, 25_600],
    [256, 20_000],
  ] as const) {
    await using mock = await startBackend({ delayMs, slots: 0 })
    const flags = ['--max-in-flight', String(open), '--start-in-flight', String(Math.min(open, 64))]
    await using server = await startServer(['--backend', mock.url, ...flags])
    const file = await upload(server, await fileOf(count, 330))
    await timedBatch(server, file, count)
    const bare = await runBare(mock.url, count, open, 250)
    await mock.counts()
    await timedBatch(server, file, count)
    const { first, last } = await mock.counts()
    const ours = last + delayMs - first
    const ideal = (count / open) * delayMs
    row(
      `50 ms backend, ${open} in flight: sending`,
      `${Math.round((count / ours) * 1000)}/s = ${ratio(ideal / ours)} of ideal, ${ratio(bare.ms / ours)} of bare`,
      open === 64 ? '>= 0.98 of ideal' : '>= 0.95 of bare',
    )
  }
}

/** The lines that were refused last wait a second at the end, whatever is done: the longer the run, the less that is. */
async function overload(): Promise<void> {
  const count = 6400
  await using mock = await startBackend({ delayMs: 200, slots: 32 })
  await using server = await startServer(['--backend', mock.url])
  const file = await upload(server, await fileOf(count, 330))
  const ours = await timedBatch(server, file, count)
  const { refused } = await mock.counts()
  row(
    '32 slots, 429 with Retry-After: 1 above: sending',
    `${ratio(((count / 32) * 200) / ours.sendMs)} of capacity, ${refused} refusals, error file: ${ours.done.error_file_id ?? 'none'}`,
    '>= 0.95',
  )
}

async function flying(): Promise<void> {
  const [count, open] = [150_000, 10_000]
  await using mock = await startBackend({ delayMs: 2000, slots: 0 })
  await using server = await startServer([
    '--backend',
    mock.url,
    '--max-in-flight',
    String(open),
    '--start-in-flight',
    String(open),
    '--max-batch-lines',
    String(count),
  ])
  const file = await upload(server, await fileOf(count, 330))
  const before = server.rssBytes()
  const ours = await timedBatch(server, file, count)
  const { most } = await mock.counts()
  const ideal = (count / open) * 2000
  row(
    `10,000 in flight, 2 s backend (${most} seen at once)`,
    `${Math.round((count / ours.sendMs) * 1000)}/s = ${ratio(ideal / ours.sendMs)} of 5,000/s`,
    '>= 0.90, or the CPU',
  )
  row(
    '  peak RSS; CPU of it',
    `${Math.round(server.peakBytes() / 1e6)} MB (${Math.round(before / 1e6)} MB before); ${ratio((ours.cpuMicros * count) / 1000 / ours.ms)} of one core`,
    '< 600 MB',
  )
}

export const speed: Readonly<Record<string, Scenario>> = { throughput, embeddings, slow, overload, flying }
