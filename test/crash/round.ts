import { mkdtempSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { expectProgress, poll, terminal } from '../conformance/follow.ts'
import { line, linesOf, type Lines } from '../conformance/lines.ts'
import { parseResults, readResults, type Result } from '../conformance/results.ts'
import { controlOf, startScriptedBackend, type BackendControl } from '../conformance/scripted-backend.ts'
import { call, create, getBatch, listFiles, upload, type Batch, type Door } from '../conformance/wire.ts'
import { namesUnder } from '../support/names-under.ts'
import { chooseMoments, comes, needBlobs, type Moment, type Sight } from './moments.ts'
import { startProcess, type ServerProcess } from './process.ts'
import { chanceFrom } from '../support/chance.ts'

/** How often results are saved, and how long that may have to wait for its turn; on a machine that is busy as long as it takes to start a server. */
const flushMs = 1000
const leastSlackMs = 2000
/** What a process had written when it died may be read by the backend so much later. */
const readLaterMs = 1000

/** When it was sent, and when the process was gone. */
interface Kill {
  readonly at: number
  readonly gone: number
}

interface Running {
  readonly lines: Lines
  readonly slowMs: number
  readonly id: string
  readonly objects: string | null
  readonly following: Promise<readonly Result[]>
  seen: Batch
}

/**
 * One server, two batches (an upload and an object), killed at seeded moments and started again until both have ended. Gives the moments at which it was killed
 * indeed.
 */
export async function crashRound(seed: number, first: Moment, times: number): Promise<Moment[]> {
  const random = chanceFrom(seed)
  await using backend = await startScriptedBackend()
  const control = controlOf(backend.url)
  const data = mkdtempSync(join(tmpdir(), 'nightshift-crash-'))
  try {
    const flags = random.happens(0.5) && !needBlobs.has(first) ? ['--short-bytes', '10MB'] : [] // NOTE: plans and results in rows, or in blobs
    await using server = await startProcess({ backend: backend.url, data, flags })
    await breakUpload(server, random.between(0, 40))
    const running = [await begin(server, random, 'file'), await begin(server, random, 'object')]
    const kills: Kill[] = []
    const hit: Moment[] = []
    let slackMs = leastSlackMs
    const kill = async (moment: Moment): Promise<void> => {
      if (!(await reach(server, control, running, moment))) return
      const at = Date.now()
      await server.kill()
      kills.push({ at, gone: Date.now() })
      hit.push(moment)
      await server.start()
      slackMs = Math.max(slackMs, Date.now() - at)
    }
    for (const moment of chooseMoments(random, first, times)) await kill(moment)
    if (hit.length === 0) await kill('right after the end') // NOTE: short batches may be through before any other moment is seen
    for (const one of running) {
      await poll(
        () => look(server, one),
        (batch) => terminal.includes(batch.status),
        `batch ${one.id}`,
        60_000,
      )
      expect(one.seen.status, JSON.stringify(one.seen.errors)).toBe('completed')
      await readResults(server, one.seen, one.lines.customIds)
      const followed = (await one.following).map(({ custom_id }) => custom_id)
      expect(followed.toSorted(), 'who follows gets each line once').toEqual([...one.lines.customIds].toSorted())
      await expectFewSentAgain(control, one, kills, slackMs)
    }
    await expectUsage(server, running)
    await expectNothingLeft(server, running)
    return hit
  } finally {
    await rm(data, { recursive: true, force: true })
  }
}

/** What was used is what the batches say, once, however often they were published anew. */
async function expectUsage(server: ServerProcess, running: readonly Running[]): Promise<void> {
  const answer = await call(server, 'GET', '/v1/usage?group_by=')
  const { data } = answer.json as { data: readonly { batches: number; total_tokens: number }[] }
  const total = running.reduce((n, { seen }) => n + (seen.usage?.total_tokens ?? NaN), 0)
  expect(data).toMatchObject([{ batches: running.length, total_tokens: total }])
}

/** The client's file is half sent when the server dies: nothing of it may be listed afterwards. */
async function breakUpload(server: ServerProcess, afterMs: number): Promise<void> {
  const broken = request(`${server.baseUrl}/v1/files`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.key}`, 'content-type': 'multipart/form-data; boundary=b' },
  })
  const gone = new Promise((resolve) => broken.on('close', resolve))
  broken.on('error', () => {})
  broken.write('--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n')
  broken.write('--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n')
  await new Promise((resolve) => broken.write(`${line('a', 'x'.repeat(2_000_000))}\n`, resolve))
  await pause(afterMs)
  await server.kill()
  await gone
  await server.start()
  expect((await listFiles(server)).data).toEqual([])
}

async function begin(server: ServerProcess, random: ReturnType<typeof chanceFrom>, from: 'file' | 'object'): Promise<Running> {
  const slowMs = random.pick([0, 20, 100])
  const slow = slowMs === 0 ? '' : `[[slow ${slowMs}]]`
  const scripts = ['[[400]]', '[[503x1]]', '[[429x1]]', '[[text 418]]'] as const
  const count = slowMs === 100 ? random.between(200, 1500) : random.between(200, 4000)
  const lines = linesOf(Array.from({ length: count }, () => (random.between(0, 20) === 0 ? random.pick([...scripts]) : slow)))
  if (from === 'file') {
    const file = await upload(server, lines.text)
    const seen = await create(server, { input_file_id: file.id })
    return { lines, slowMs, id: seen.id, objects: null, following: follower(server, seen.id), seen }
  }
  const objects = join(server.data, 'buckets/default', lines.mark)
  await mkdir(objects, { recursive: true })
  await writeFile(join(objects, 'in.jsonl'), lines.text)
  const seen = await create(server, { input_file_id: `s3://default/${lines.mark}/in.jsonl` })
  return { lines, slowMs, id: seen.id, objects, following: follower(server, seen.id), seen }
}

/** Begun, and not waited for: what it came to is asked at the end. */
function follower(door: Door, id: string): Running['following'] {
  const following = followResults(door, id)
  following.catch(() => {})
  return following
}

/** Reads the results page by page from the beginning on, whatever happens to the server: a page that did not come whole is asked for again. */
async function followResults(door: Door, id: string): Promise<readonly Result[]> {
  const lines: Result[] = []
  const end = Date.now() + 170_000
  for (let after = ''; Date.now() < end;) {
    try {
      const url = `${door.baseUrl}/v1/batches/${id}/results${after === '' ? '' : `?after=${after}`}`
      const response = await fetch(url, { headers: { authorization: `Bearer ${door.key}` } })
      const text = await response.text()
      if (!response.ok) throw new Error(text)
      lines.push(...parseResults(text))
      after = response.headers.get('x-next-after') ?? ''
      if (response.headers.get('x-incomplete') === 'false') return lines
    } catch {
      await pause(20) // NOTE: it was killed, and is not there yet
    }
    await pause(50)
  }
  throw new Error(`the results of ${id} have no end`)
}

/** Looks at a batch, and checks that it has only moved on since the last look, whatever happened to the server in between. */
async function look(door: Door, one: Running): Promise<Batch> {
  const now = await getBatch(door, one.id)
  expectProgress(one.seen, now)
  return (one.seen = now)
}

/** Waits for the moment while it keeps looking. False when both batches ended before it came. */
async function reach(
  server: ServerProcess,
  control: BackendControl,
  running: readonly Running[],
  moment: Moment,
): Promise<boolean> {
  let sent = false
  let over = false
  const sight: Sight = { batches: () => running.map(({ seen }) => seen), allSent: () => sent, data: server.data }
  const waiting = comes(moment, sight, () => over).finally(() => (over = true))
  const looking = (async () => {
    while (!over) {
      for (const one of running) await look(server, one)
      const counts = await Promise.all(running.map(({ lines }) => control.count(lines.mark)))
      sent = running.every(({ lines }, i) => counts[i] === lines.customIds.length)
      if (running.every(({ seen }) => terminal.includes(seen.status))) {
        await pause(5) // NOTE: the last chance of 'right after the end'
        over = true
      } else await pause(5)
    }
  })()
  await looking
  return waiting
}

/** The backend saw a line again only if it was in flight at a kill, or answered since the flush before it. */
async function expectFewSentAgain(
  control: BackendControl,
  { lines, slowMs }: Running,
  kills: readonly Kill[],
  slackMs: number,
): Promise<void> {
  const { at } = await control.seen(lines.mark)
  for (const [prompt, times] of at) {
    if (/\[\[(503|429)/.test(prompt)) continue
    for (const [i, sentAt] of times.slice(0, -1).entries()) {
      const again = times[i + 1] ?? 0
      const why = kills.some(
        (kill) => sentAt <= kill.gone + readLaterMs && again >= kill.at && sentAt >= kill.at - flushMs - slowMs - slackMs,
      )
      expect(why, `'${prompt}' was sent at ${times.join()}, kills at ${kills.map((k) => `${k.at}-${k.gone}`).join()}`).toBe(true)
    }
  }
}

/** Of what the server wrote for itself nothing stays once the batches have ended: no scratch, no temporary file, nothing beside the results. */
async function expectNothingLeft({ data }: ServerProcess, running: readonly Running[]): Promise<void> {
  const left = async () =>
    (await namesUnder(data)).filter((name) => running.some(({ id }) => name.includes(`${id}/`)) || /(^|\/)\.tmp\/./.test(name))
  await poll(left, (names) => names.length === 0, 'scratch and temporary files go', 15_000)
  for (const { objects, seen } of running) {
    if (objects === null) continue
    const expected = [seen.error_file_id && 'in-error.jsonl', seen.output_file_id && 'in-output.jsonl', 'in.jsonl']
    expect((await readdir(objects)).toSorted()).toEqual(expected.filter((name) => name !== null))
  }
}
