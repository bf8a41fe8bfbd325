/** The whole service against the bare loop and against the house's numbers (docs/spec.md). One table, ratios in one run. `npm run bench [-- NAME ...]` runs all or some. */
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { answer, startBackend } from './backend.ts'
import { runBare } from './bare.ts'
import { create, ended, lines, until, upload } from './batch.ts'
import { startServer } from './child.ts'
import { startNginx } from './nginx.ts'

const folder = mkdtempSync(join(tmpdir(), 'nightshift-bench-input-'))
const rows: string[][] = [['what', 'measured', 'aim']]
const row = (what: string, measured: string, aim = '') => {
  rows.push([what, measured, aim])
  console.log(`${what.padEnd(58)} ${measured.padEnd(46)} ${aim}`)
}
const ratio = (n: number) => n.toFixed(2)
const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length

async function fileOf(count: number, bytes: number): Promise<string> {
  const path = join(folder, `${count}-${bytes}.jsonl`)
  const file = createWriteStream(path)
  for (const line of lines(count, bytes)) if (!file.write(line)) await once(file, 'drain')
  file.end()
  await once(file, 'close')
  return path
}

/** nginx answers everything with the one answer, so its model is named in the settings. */
function configFor(url: string): string {
  const path = join(folder, 'nightshift.yaml')
  writeFileSync(path, `backends:\n  - url: ${url}\n    models: [sim]\n`)
  return path
}

/** Create to completed, its CPU and what it wrote. */
async function timedBatch(server: Awaited<ReturnType<typeof startServer>>, file: string, count: number) {
  const [cpu, written, from] = [server.cpuMicros(), server.writtenBytes(), performance.now()]
  const { id } = await create(server, file)
  const running = await until(server, id, (b) => b.request_counts.total > 0 || ended(b), 5)
  const startedAt = performance.now()
  const sent = ended(running)
    ? running
    : await until(server, id, (b) => b.request_counts.completed + b.request_counts.failed >= count || ended(b), 20)
  const sentAt = performance.now()
  const done = ended(sent) ? sent : await until(server, id, ended, 5)
  if (done.request_counts.completed !== count) throw new Error(`not all lines completed: ${JSON.stringify(done.request_counts)}`)
  const ms = performance.now() - from
  return {
    ms,
    sendMs: sentAt - startedAt,
    cpuMicros: (server.cpuMicros() - cpu) / count,
    written: (server.writtenBytes() - written) / count,
    done,
  }
}

const scenarios: Record<string, () => Promise<void>> = {
  async throughput() {
    const count = 50_000
    const mock = await startNginx(answer)
    await using server = await startServer(['--config', configFor(mock.url)])
    const file = await upload(server, await fileOf(count, 330))
    const bare: { ms: number; cpuMicros: number }[] = []
    const ours: Awaited<ReturnType<typeof timedBatch>>[] = []
    for (let i = 0; i < 5; i++) {
      bare.push(await runBare(mock.url, count, 64, 250))
      ours.push(await timedBatch(server, file, count))
    }
    const best = (list: readonly { ms: number; cpuMicros: number }[]) => ({
      ms: Math.min(...list.map((r) => r.ms)),
      cpu: Math.min(...list.map((r) => r.cpuMicros)),
    })
    const [a, b] = [best(bare), best(ours)]
    row(
      `bare loop, 64 connections, mock ${mock.kind}`,
      `${Math.round((count / a.ms) * 1000)} lines/s, ${a.cpu.toFixed(1)} us CPU a line`,
      '1.00',
    )
    row(
      'Nightshift, create to completed',
      `${Math.round((count / b.ms) * 1000)} lines/s = ${ratio(a.ms / b.ms)} of bare`,
      '>= 0.80',
    )
    row('  its sending phase alone', `${ratio(a.ms / Math.min(...ours.map((r) => r.sendMs)))} of bare`)
    row('  CPU a line', `${b.cpu.toFixed(1)} us = ${ratio(b.cpu / a.cpu)} of bare`, '<= 1.50')
    row(
      '  peak RSS; written a line',
      `${Math.round(server.peakBytes() / 1e6)} MB; ${Math.round(mean(ours.map((r) => r.written)))} bytes`,
    )
  },

  async slow() {
    for (const [open, count] of [
      [64, 6400],
      [256, 20_000],
    ] as const) {
      await using mock = await startBackend({ delayMs: 50, slots: 0 })
      await using server = await startServer([
        '--backend',
        mock.url,
        '--max-in-flight',
        String(open),
        '--start-in-flight',
        String(Math.min(open, 64)),
      ])
      const file = await upload(server, await fileOf(count, 330))
      await timedBatch(server, file, count)
      const bare = await runBare(mock.url, count, open, 250)
      const ours = await timedBatch(server, file, count)
      const ideal = (count / open) * 50
      row(
        `50 ms backend, ${open} in flight: sending`,
        `${Math.round((count / ours.sendMs) * 1000)}/s = ${ratio(ideal / ours.sendMs)} of ideal, ${ratio(bare.ms / ours.sendMs)} of bare`,
        open === 64 ? '>= 0.98 of ideal' : '>= 0.95 of bare',
      )
    }
  },

  async start() {
    const path = await fileOf(20_000, 4050)
    const [uploads, starts]: [number[], number[]] = [[], []]
    for (let i = 0; i < 3; i++) {
      await using fresh = await startBackend({ delayMs: 0, slots: 0 })
      await using server = await startServer(['--backend', fresh.url])
      let from = performance.now()
      const file = await upload(server, path)
      uploads.push(performance.now() - from)
      from = Date.now()
      const { id } = await create(server, file)
      await until(server, id, ended, 50)
      starts.push((await fresh.counts()).first - from)
    }
    row('81 MB of 4 kB lines: upload', `${Math.round(Math.min(...uploads))} ms`, '< 600 ms')
    row('81 MB of 4 kB lines: create to the first request', `${Math.round(Math.min(...starts))} ms`, '< 500 ms')
  },

  async overload() {
    const count = 3200
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
  },

  async cancel() {
    await using mock = await startBackend({ delayMs: 20, slots: 0 })
    await using server = await startServer(['--backend', mock.url])
    const big = await upload(server, await fileOf(50_000, 330))
    const small = await upload(server, await fileOf(100, 330))
    const times: number[] = []
    const behind: number[] = []
    for (let i = 0; i < 3; i++) {
      const { id } = await create(server, big)
      await until(server, id, (b) => b.request_counts.completed > 0)
      let from = performance.now()
      const little = await create(server, small)
      await until(server, little.id, ended, 3)
      behind.push(performance.now() - from)
      from = performance.now()
      await fetch(`${server.url}/v1/batches/${id}/cancel`, { method: 'POST', headers: { authorization: `Bearer ${server.key}` } })
      await until(server, id, ended, 3)
      times.push(performance.now() - from)
    }
    row('100 lines behind 50,000 (20 ms backend): completed in', `${Math.round(Math.min(...behind))} ms`, '300 ms')
    row('cancel of 50,000 lines in full flight: cancelled in', `${Math.round(Math.min(...times))} ms`, '300 ms')
  },

  async kill() {
    const count = 50_000
    await using mock = await startBackend({ delayMs: 5, slots: 0 })
    const first = await startServer(['--backend', mock.url])
    const file = await upload(first, await fileOf(count, 330))
    const { id } = await create(first, file)
    await until(first, id, (b) => b.request_counts.completed > count / 2, 20)
    await first.kill('SIGKILL')
    const before = await mock.counts()
    const from = performance.now()
    await using second = await startServer(['--backend', mock.url], first.data)
    let now = await mock.counts()
    while (now.requests === before.requests) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      now = await mock.counts()
    }
    const sendingMs = performance.now() - from
    await until(second, id, ended, 20)
    row('kill -9 at half: sending again after the restart in', `${Math.round(sendingMs)} ms`, '< 2000 ms')
    row('  lines sent twice', String((await mock.counts()).requests - count), 'flights + 1 s')
  },

  async flying() {
    const count = 30_000
    await using mock = await startBackend({ delayMs: 2000, slots: 0 })
    await using server = await startServer(['--backend', mock.url, '--max-in-flight', '10000', '--start-in-flight', '10000'])
    const file = await upload(server, await fileOf(count, 330))
    const ours = await timedBatch(server, file, count)
    const { most } = await mock.counts()
    row(
      `10,000 in flight, 2 s backend (${most} seen)`,
      `${Math.round((count / ours.sendMs) * 1000)}/s = ${ratio(((count / ours.sendMs) * 1000) / 5000)} of 5,000/s; peak ${Math.round(server.peakBytes() / 1e6)} MB`,
      '>= 0.90; < 600 MB',
    )
  },

  async trickle() {
    await using mock = await startBackend({ delayMs: 300, slots: 0 })
    await using server = await startServer(['--backend', mock.url, '--max-in-flight', '4', '--flush-every', '300ms'])
    const file = await upload(server, await fileOf(200, 330))
    const ours = await timedBatch(server, file, 200)
    row('4 slots, 300 ms a line, saved each 300 ms: written a line', `${Math.round(ours.written)} bytes`)
  },
}

const big = async (count: number, bytes: number): Promise<void> => {
  const mock = await startNginx(answer)
  await using server = await startServer([
    '--config',
    configFor(mock.url),
    '--max-batch-lines',
    '100000000',
    '--max-file-bytes',
    '100GB',
  ])
  const path = await fileOf(count, bytes)
  const from = performance.now()
  const file = await upload(server, path)
  const uploadMs = performance.now() - from
  const ours = await timedBatch(server, file, count)
  row(
    `${count} lines of ${bytes} bytes (upload ${Math.round(uploadMs / 1000)} s)`,
    `${Math.round((count / ours.ms) * 1000)} lines/s, peak RSS ${Math.round(server.peakBytes() / 1e6)} MB`,
    '< 300 MB',
  )
  rmSync(path)
  await mock.stop()
}

const asked = process.argv.slice(2)
try {
  if (asked.includes('--big')) {
    await big(1_000_000, 300)
    await big(asked.includes('--10gb') ? 100_000 : 40_000, 100_000)
  } else for (const [name, run] of Object.entries(scenarios)) if (asked.length === 0 || asked.includes(name)) await run()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
