import { mkdir, readdir, truncate, watch, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { numbered, openHome, readPlan, specOf } from '../../../test/support/plan-file.ts'
import { BlobMissing, type Blobs } from '../../blobs/blobs.ts'
import { BucketDenied, ObjectChanged, ObjectMissing } from '../../blobs/bucket.ts'
import { openFolderBucket } from '../../blobs/bucket-folder.ts'
import { makePlanner, type Planner } from './planner.ts'
import type { PlanSpec } from './plan-spec.ts'

const never = () => new AbortController().signal
const [small, big, heavy] = [1000, 9e6, 65 * 1024 * 1024]

/** A planner and a folder with two inputs: `in`, of 20 lines, and `endless`, which has holes of 64 GiB that are read as one bad line. */
async function open(threads: number) {
  const { folder, blobs } = await openHome()
  const planHere = () => Promise.reject(new Error('none of these plans is short'))
  const planner = makePlanner({ threads, planHere })
  onTestFinished(() => planner[Symbol.asyncDispose]())
  await blobs.put('in', Buffer.from(numbered(20)))
  await blobs.put('endless', Buffer.from(numbered(1)))
  await truncate(join(folder, 'endless'), 64 * 2 ** 30)
  await mkdir(join(folder, '.tmp'), { recursive: true })
  const plan = (target: string, inputBytes: number, signal = never(), more: Partial<PlanSpec> = {}) =>
    planner.plan(specOf(folder, { target: { place: { kind: 'folder', folder }, name: target }, ...more }), inputBytes, signal)
  return { folder, blobs, planner, plan }
}

/** Starts a plan that does not end, and waits until its thread writes. */
async function running(planner: Planner, folder: string, target: string, inputBytes = big) {
  const stop = new AbortController()
  const place = { kind: 'folder', folder } as const
  const begun = (async () => {
    for await (const _ of watch(join(folder, '.tmp'), { signal: AbortSignal.timeout(30_000) })) return
  })()
  const spec = specOf(folder, { input: { kind: 'blob', place, name: 'endless' }, target: { place, name: target } })
  const ended = planner.plan(spec, inputBytes, stop.signal).then(
    () => 'ended',
    (error: unknown) => error,
  )
  await begun
  return { stop, ended }
}
/** The threads that are started from here on. */
function startedThreads(): Worker[] {
  const threads: Worker[] = []
  const onWorker = (worker: Worker) => void threads.push(worker)
  process.on('worker', onWorker)
  onTestFinished(() => void process.off('worker', onWorker))
  return threads
}
const whole = async (blobs: Blobs, name: string) => (await readPlan(blobs, name))?.length

test('a plan that runs ends with the reason of its abort, nothing gets its name, and the next plan runs', async () => {
  const threads = startedThreads()
  const { folder, blobs, planner, plan } = await open(1)
  const endless = await running(planner, folder, 'stopped')
  const next = plan('next', small)
  const reason = new Error('cancelled')
  endless.stop.abort(reason)
  expect(await endless.ended).toBe(reason)
  await once(threads[0]!, 'exit')
  expect(await next).toMatchObject({ kind: 'planned', lines: 20 })
  expect([await blobs.head('stopped'), await whole(blobs, 'next')]).toEqual([null, 20])
})

test('a plan that waits ends with the reason of its abort at once, and is never begun', async () => {
  const { folder, blobs, planner, plan } = await open(1)
  const endless = await running(planner, folder, 'first')
  const stop = new AbortController()
  const waiting = plan('waiting', small, stop.signal)
  const last = plan('last', small)
  stop.abort(new Error('cancelled'))
  await expect(waiting).rejects.toThrow('cancelled')
  endless.stop.abort(new Error('enough'))
  await last
  expect([await blobs.head('waiting'), await whole(blobs, 'last')]).toEqual([null, 20])
})

test('a plan whose signal is aborted before does not begin', async () => {
  const { blobs, plan } = await open(1)
  await expect(plan('plan', small, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
  await plan('next', small)
  expect(await blobs.head('plan')).toBeNull()
})

test('small files pass big ones: one seat is theirs, and no big one takes it', async () => {
  const { folder, blobs, planner, plan } = await open(2)
  const first = await running(planner, folder, 'first')
  const second = plan('second', big)
  for (const name of ['small-1', 'small-2']) await plan(name, small)
  expect([await whole(blobs, 'small-1'), await blobs.head('second')]).toEqual([20, null])
  expect(await readdir(join(folder, '.tmp'))).toHaveLength(1)
  first.stop.abort(new Error('enough'))
  await second
  expect(await whole(blobs, 'second')).toBe(20)
})

test('plans of one planner do not mix, however many wait', async () => {
  const { blobs, plan } = await open(2)
  const names = Array.from({ length: 12 }, (_, i) => `plan-${i}`)
  const results = await Promise.all(names.map((name, i) => plan(name, i % 3 === 0 ? big : small)))
  expect(results.map((r) => r.kind)).toEqual(names.map(() => 'planned'))
  expect(await Promise.all(names.map((name) => whole(blobs, name)))).toEqual(names.map(() => 20))
})

describe.each([
  ['plain', false],
  ['packed', true],
])('of a %s file', (_, gzip) => {
  test('what the thread throws comes back as what it is, and the thread goes on', async () => {
    const { folder, blobs, plan } = await open(1)
    const place = { kind: 'folder', folder } as const
    const seen = (await openFolderBucket(folder, 'b').head('in'))!
    const failure = (input: PlanSpec['input']) => plan('plan', small, never(), { gzip, input }).catch((error: unknown) => error)
    expect(await failure({ kind: 'blob', place, name: 'none' })).toBeInstanceOf(BlobMissing)
    const object = { kind: 'object', place, bucket: 'b', key: 'in', seen } as const
    expect(await failure({ ...object, seen: { ...seen, tag: 'other' } })).toBeInstanceOf(ObjectChanged)
    const missing = await failure({ ...object, key: 'none' })
    expect(missing).toBeInstanceOf(ObjectMissing)
    expect(missing).toMatchObject({ message: "There is no object 'none' in bucket 'b'." })
    expect(await blobs.head('plan')).toBeNull()
    await plan('plan', small)
    expect(await whole(blobs, 'plan')).toBe(20)
  })

  test.skipIf(process.getuid?.() === 0)('a right that the thread does not have comes back with its name', async () => {
    const { folder, plan } = await open(1)
    const seen = (await openFolderBucket(folder, 'b').head('in'))!
    await writeFile(join(folder, 'closed'), 'x', { mode: 0o000 })
    const input = { kind: 'object', place: { kind: 'folder', folder }, bucket: 'b', key: 'closed', seen } as const
    const error = await plan('plan', small, never(), { gzip, input }).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(BucketDenied)
    expect(error).toMatchObject({ right: 'read' })
  })
})

test('any other failure comes back as an error that has its stack as the cause', async () => {
  const { plan } = await open(1)
  const error = await plan('plan', small, never(), { endpoint: '/v1/none' }).catch((e: unknown) => e)
  expect(error).toMatchObject({ message: 'no such endpoint: /v1/none', cause: expect.stringContaining('planFile') as unknown })
})

describe('threads', () => {
  test('one thread serves plan after plan', async () => {
    const threads = startedThreads()
    const { plan } = await open(1)
    for (const name of ['a', 'b', 'c']) await plan(name, small)
    expect(threads).toHaveLength(1)
  })

  test('the thread of a heavy plan is ended, and another one makes the plans that follow', async () => {
    const threads = startedThreads()
    const { blobs, plan } = await open(1)
    const after = [plan('heavy', heavy), plan('b', small)]
    await after[0]
    await once(threads[0]!, 'exit')
    await after[1]
    await plan('c', small)
    expect(threads).toHaveLength(2)
    expect(await Promise.all(['heavy', 'b', 'c'].map((name) => whole(blobs, name)))).toEqual([20, 20, 20])
  })

  test('a thread that dies fails its own plan only', async () => {
    const threads = startedThreads()
    const { folder, blobs, planner, plan } = await open(1)
    const dying = await running(planner, folder, 'dying')
    const next = plan('next', small)
    await threads[0]!.terminate()
    expect(await dying.ended).toMatchObject({ message: 'the planning thread ended' })
    await next
    expect([await blobs.head('dying'), await whole(blobs, 'next')]).toEqual([null, 20])
  })
})

test('when the planner is closed, what runs and what waits ends, and nothing more is begun', async () => {
  const { folder, blobs, planner, plan } = await open(1)
  const endless = await running(planner, folder, 'first')
  const waiting = plan('waiting', small).catch((error: unknown) => error)
  await planner[Symbol.asyncDispose]()
  expect(await endless.ended).toMatchObject({ message: 'the planning thread ended' })
  expect(await waiting).toMatchObject({ message: 'the planner is closed' })
  expect(await blobs.head('waiting')).toBeNull()
})
