/** What many lines, big files and slow backends cost in memory and on the disk. */
import { rmSync } from 'node:fs'
import Database from 'libsql'
import { join } from 'node:path'
import { answer, startBackend } from './backend.ts'
import { create, ended, get, upload } from './batch.ts'
import { startServer } from './child.ts'
import { startNginx } from './nginx.ts'
import { configFor, fileOf, ratio, row, type Scenario } from './table.ts'
import { timedBatch } from './timed.ts'

/** A 4-slot backend at 3 s a line, ten times as fast: lines of 300 ms, saved each 100 ms. What stands in the tables and on the disk is looked at while it runs. */
async function trickle(): Promise<void> {
  const count = 2000
  await using mock = await startBackend({ delayMs: 300, slots: 0 })
  await using server = await startServer(['--backend', mock.url, '--max-in-flight', '4', '--flush-every', '100ms'])
  const file = await upload(server, await fileOf(count, 330))
  const written = server.writtenBytes()
  const { id } = await create(server, file)
  const db = new Database(join(server.data, 'nightshift.db'), { readonly: true })
  const looks = db.prepare(
    'select count(*) as segments, (select count(*) from shards where batch_id = $1) as shards from segments where batch_id = $1',
  )
  let most = 0
  let last = { segments: 0, shards: 0 }
  for (;;) {
    const seen = await get(server, id)
    if (ended(seen)) break
    const look = looks.get([id]) as typeof last
    if (look.shards > 0) last = look
    most = Math.max(most, look.segments)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  db.close()
  row(
    `4 slots, 300 ms a line, saved each 100 ms: segments of ${last.shards} shards`,
    `${most} at most, ${last.segments} at the last look; ${Math.round((server.writtenBytes() - written) / count)} bytes written a line`,
    'one a shard at the end',
  )
}

async function million(): Promise<void> {
  await big(1_000_000, 300)
}
async function gigabytes(): Promise<void> {
  await big(100_000, 100_000)
}
async function fewGigabytes(): Promise<void> {
  await big(40_000, 100_000)
}

async function big(count: number, bytes: number): Promise<void> {
  const mock = await startNginx(answer)
  const limits = ['--max-batch-lines', '100000000', '--max-file-bytes', '100GB']
  await using server = await startServer(['--config', configFor(mock.url), ...limits])
  const path = await fileOf(count, bytes)
  const from = performance.now()
  const file = await upload(server, path)
  const uploadMs = performance.now() - from
  rmSync(path)
  const uploaded = server.peakBytes()
  const ours = await timedBatch(server, file, count)
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  row(
    `${count} lines of ${bytes} bytes`,
    `${Math.round((count / ours.ms) * 1000)} lines/s; upload ${seconds(uploadMs)}, plan ${seconds(ours.planMs)}, send ${seconds(ours.sendMs)}, compose ${seconds(ours.composeMs)}`,
  )
  row('  peak RSS; after the upload', `${Math.round(server.peakBytes() / 1e6)} MB; ${Math.round(uploaded / 1e6)} MB`, '< 300 MB')
  row('  written a byte of input', ratio((ours.written * count) / (count * bytes)))
  await mock.stop()
}

export const sizes: Readonly<Record<string, Scenario>> = { trickle }
/** Asked for by `--big`: minutes, and up to 40 GB of disk (`--10gb`). */
export const bigSizes: Readonly<Record<string, Scenario>> = { million, fewGigabytes, gigabytes }
