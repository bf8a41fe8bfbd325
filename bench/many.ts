/** Many workers, many batches, many projects: on PostgreSQL, with each process beside the others. */
import { randomBytes, randomUUID } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { Pool } from 'undici'
import { createKey } from '../src/auth/keys.ts'
import type { ProjectId } from '../src/domain/ids.ts'
import { systemClock } from '../src/kit/clock.ts'
import { openDatabase } from '../src/store/open.ts'
import { insertProject } from '../src/store/projects.ts'
import { clientOf, startS3 } from '../test/support/s3-server.ts'
import { answer, startBackend } from './backend.ts'
import { create, createBy, getBy, until, upload } from './batch.ts'
import type { Server } from './child.ts'
import { less, openFleet, type Fleet } from './fleet.ts'
import { startNginx } from './nginx.ts'
import { asTheyCome } from './pace.ts'
import { configFor, fileOf, quantile, ratio, row, writeConfig, type Scenario } from './table.ts'
import { timedBatch } from './timed.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The same pace a worker, whatever their number. */
async function scale(): Promise<void> {
  const each = 12_000
  let alone: { ms: number; micros: number } | undefined
  for (const count of [1, 2, 4]) {
    await using mock = await startBackend({ delayMs: 50, slots: 0 })
    const ceiling = String(64 * count)
    await using fleet = await openFleet(count, ['--backend', mock.url, '--max-in-flight', ceiling, '--start-in-flight', ceiling])
    const file = await upload(fleet.server, await fileOf(each * count, 330))
    await timedBatch(fleet.server, await upload(fleet.server, await fileOf(1000, 330)), 1000)
    const before = await fleet.spent()
    const { sendMs } = await timedBatch(fleet.server, file, each * count)
    const { workerMicros, databaseMicros } = less(await fleet.spent(), before)
    const micros = (workerMicros + databaseMicros) / (each * count)
    alone ??= { ms: sendMs, micros }
    row(
      `50 ms backend, 64 slots a worker, ${count} worker${count > 1 ? 's' : ''}`,
      `${Math.round((each * count * 1000) / sendMs)}/s = ${ratio((count * alone.ms) / sendMs)} times one; ${micros.toFixed(0)} us CPU a line = ${ratio(micros / alone.micros)}`,
      count === 2 ? '>= 1.90; CPU <= 1.15' : count === 4 ? '>= 3.60' : '1.00',
    )
  }
}

async function wal(): Promise<void> {
  const nginx = await startNginx(answer)
  {
    await using fleet = await openFleet(1, ['--config', configFor(nginx.url), '--max-in-flight', '64'])
    await walOf(fleet, 50_000, 'instant backend, full shards')
  }
  await nginx.stop()
  await using mock = await startBackend({ delayMs: 300, slots: 0 })
  await using fleet = await openFleet(1, ['--backend', mock.url, '--max-in-flight', '32', '--flush-every', '100ms'])
  await walOf(fleet, 4000, '32 slots, 3 s a line (all ten times as fast)')
}

async function walOf(fleet: Fleet, count: number, what: string): Promise<void> {
  const file = await upload(fleet.server, await fileOf(count, 330))
  await timedBatch(fleet.server, file, count)
  const before = await fleet.spent()
  await timedBatch(fleet.server, file, count)
  const { walBytes, statements, commits, databaseMicros } = less(await fleet.spent(), before)
  const each = (n: number) => (n / count).toFixed(n / count < 1 ? 3 : 1)
  row(
    `${what}: a line`,
    `${each(walBytes)} bytes of WAL, ${each(statements)} statements, ${each(commits)} commits, ${each(databaseMicros)} us of the database`,
    what.startsWith('instant') ? 'WAL <= 10 bytes' : '',
  )
}

async function s3million(): Promise<void> {
  const count = 1_000_000
  const nginx = await startNginx(answer)
  await using server = await startS3('versitygw')
  const s3 = clientOf(server)
  for (const Bucket of ['jobs', 'night']) await s3.createBucket({ Bucket })
  const access = `endpoint: "${server.url}", accessKeyId: ${server.accessKeyId}, secretAccessKey: \${BENCH_S3_SECRET}, pathStyle: true`
  process.env['BENCH_S3_SECRET'] = server.secretAccessKey
  const config = writeConfig(`backends:
  - { url: "${nginx.url}", models: [sim] }
buckets:
  - { bucket: jobs, ${access} }
blobs: { bucket: night, prefix: prod, ${access} }
`)
  {
    const limits = ['--max-batch-lines', '2000000', '--max-file-bytes', '10GB']
    await using fleet = await openFleet(2, ['--config', config, ...limits], 'settings')
    const path = await fileOf(count, 300)
    await s3.putObject({
      Bucket: 'jobs',
      Key: 'in/million.jsonl',
      Body: createReadStream(path),
      ContentLength: statSync(path).size,
    })
    const ours = await timedBatch(fleet.server, 's3://jobs/in/million.jsonl', count)
    const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
    row(
      '1,000,000 lines, S3 to S3, two workers',
      `plan ${seconds(ours.planMs)}, execute ${seconds(ours.sendMs)}, compose ${seconds(ours.composeMs)}: ${Math.round((count * 1000) / ours.ms)} lines/s`,
    )
    row(
      '  peak RSS: workers; API',
      `${fleet.workers.map((w) => Math.round(w.peakBytes() / 1e6)).join(', ')} MB; ${Math.round(fleet.server.peakBytes() / 1e6)} MB`,
      '< 300 MB each',
    )
  }
  s3.destroy()
  await nginx.stop()
}

/** Batches of one line each, over one shared file, against one batch of as many lines. */
const small =
  (count: number): Scenario =>
  async () => {
    const nginx = await startNginx(answer)
    {
      await using fleet = await openFleet(1, ['--config', configFor(nginx.url)])
      const { server } = fleet
      const one = await upload(server, await fileOf(1, 330))
      for (let i = 0; i < 20; i++) await create(server, one)
      await fleet.settled()
      const before = await fleet.spent()
      const from = performance.now()
      let left = count
      const pool = new Pool(server.url, { connections: 32 })
      await Promise.all(
        Array.from({ length: 32 }, async () => {
          while (left-- > 0) await createBy(pool, server.key, one)
        }),
      )
      const createdMs = performance.now() - from
      await fleet.settled()
      const ms = performance.now() - from
      await pool.close()
      const { statements, commits, walBytes, workerMicros, databaseMicros } = less(await fleet.spent(), before)
      row(
        `${count} batches of one line, create to completed`,
        `${Math.round((count * 1000) / ms)} batches/s (created at ${Math.round((count * 1000) / createdMs)}/s)`,
        '300 batches/s',
      )
      const each = (n: number) => (n / count).toFixed(1)
      row(
        '  a batch',
        `${each(statements)} statements, ${each(commits)} commits, ${Math.round(walBytes / count)} bytes of WAL; CPU: worker ${each(workerMicros / 1000)} ms, database ${each(databaseMicros / 1000)} ms`,
      )
      const whole = await timedBatch(
        server,
        await upload(server, await fileOf(Math.min(50_000, count), 330)),
        Math.min(50_000, count),
      )
      row('  one batch of as many lines (at most 50,000)', `${Math.round((Math.min(50_000, count) * 1000) / whole.ms)} lines/s`)
    }
    await nginx.stop()
  }

/** 200 creates and 1,000 gets a second for a minute, as they come: who waits for an answer keeps nobody else from asking. */
async function load(): Promise<void> {
  const [creates, gets] = [200, 1000]
  await using mock = await startBackend({ delayMs: 50, slots: 0 })
  await using fleet = await openFleet(1, ['--backend', mock.url, '--max-in-flight', '64', '--start-in-flight', '64'])
  const { server } = fleet
  const running = await create(server, await upload(server, await fileOf(50_000, 330)))
  const ten = await upload(server, await fileOf(10, 330))
  await until(server, running.id, (b) => b.request_counts.completed > 0)
  const pool = new Pool(server.url, { connections: 64 })
  let known = running.id
  for (const { seconds, when, aim } of [
    { seconds: 10, when: 'the first 10 s of a server that was just started', aim: '' },
    { seconds: 60, when: 'the 60 s after them', aim: 'p99 < 50 ms, none' },
  ]) {
    const times = { create: [] as number[], get: [] as number[] }
    let errors = 0
    const timed = async (list: number[], ask: () => Promise<unknown>) => {
      const from = performance.now()
      try {
        await ask()
        list.push(performance.now() - from)
      } catch {
        errors++
      }
    }
    const tookMs = await asTheyCome(seconds, [
      { aSecond: creates, ask: () => timed(times.create, async () => (known = await createBy(pool, server.key, ten))) },
      { aSecond: gets, ask: () => timed(times.get, () => getBy(pool, server.key, known)) },
    ])
    const of = (list: number[]) => `p50 ${quantile(list, 0.5).toFixed(1)}, p99 ${quantile(list, 0.99).toFixed(1)} ms`
    const pace = (seconds * 1000) / tookMs
    row(
      `${creates} creates/s and ${gets} gets/s beside 64 in flight (at ${ratio(pace)} of that pace): ${when}`,
      `create ${of(times.create)}; get ${of(times.get)}; ${errors} errors`,
      aim,
    )
  }
  await pool.close()
}

/** 50 projects, half of them with three times as many batches: what each gets while all have work. */
async function fair(): Promise<void> {
  const [projects, lines] = [50, 20]
  await using mock = await startBackend({ delayMs: 50, slots: 0 })
  await using fleet = await openFleet(2, ['--backend', mock.url, '--max-in-flight', '64', '--start-in-flight', '64'])
  const path = await fileOf(lines, 330)
  const doors: Server[] = []
  {
    const db = await openDatabase({ folder: '', url: fleet.url, clock: systemClock })
    for (let i = 0; i < projects; i++) {
      const id = randomUUID() as ProjectId
      await insertProject(db, { id, name: `team-${i}`, isDefault: false, createdAt: Date.now() })
      const { secret } = await createKey(db, { id: randomUUID(), projectId: id, name: 'k', createdAt: Date.now(), randomBytes })
      doors.push({ ...fleet.server, key: secret })
    }
    await db[Symbol.asyncDispose]()
  }
  await Promise.all(
    doors.map(async (door, i) => {
      const file = await upload(door, path)
      for (let n = 0; n < (i % 2 === 0 ? 10 : 30); n++) await create(door, file)
    }),
  )
  const look = async () =>
    (
      await fleet.db.query<{ done: string; open: string }>(
        `select sum(completed) as done, sum(case when status in ('validating', 'in_progress') then 1 else 0 end) as open
         from (select b.project_id, b.status, case when b.status = 'completed' then b.completed
           else coalesce((select sum(s.completed) from shards s where s.batch_id = b.id), 0) end as completed from batches b) x group by project_id`,
      )
    ).rows.map(({ done, open }) => ({ done: Number(done), open: Number(open) }))
  let seen = await look()
  for (; seen.every(({ open }) => open > 0);) {
    await pause(200)
    const now = await look()
    if (now.some(({ open }) => open === 0)) break
    seen = now
  }
  const equal = seen.reduce((n, { done }) => n + done, 0) / projects
  const shares = seen.map(({ done }) => done / equal)
  row(
    `1,000 batches of ${projects} projects at once: shares while all have work`,
    `smallest ${ratio(Math.min(...shares))}, largest ${ratio(Math.max(...shares))} of an equal part, of ${Math.round(equal)} lines`,
    'no starvation',
  )
}

export const many: Readonly<Record<string, Scenario>> = { scale, wal, small: small(10_000), load, fair }
export const bigMany: Readonly<Record<string, Scenario>> = { s3million, small100k: small(100_000) }
