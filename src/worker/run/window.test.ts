import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { leaseOf, plan, planned } from '../../../test/support/planned.ts'
import { BlobMissing, type Blobs } from '../../blobs/blobs.ts'
import { openFolder } from '../../blobs/folder.ts'
import { writePlanHeader } from '../../domain/plan-format.ts'
import { openWindow, type Stretch, type Window } from './window.ts'

const mebibyte = 1024 * 1024
const never = new AbortController().signal

async function open(): Promise<Blobs> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-window-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return openFolder(folder)
}

/** All lines, as an executor takes them: it asks for more as soon as the window is low, and waits only when no line is at hand. */
async function drain(window: Window): Promise<Buffer[]> {
  const lines: Buffer[] = []
  for (;;) {
    const reading = window.low ? window.fill(never) : null
    const line = window.next()
    if (line === null) return lines
    if (line === undefined) await (reading ?? window.fill(never))
    else {
      const header = Buffer.alloc(10)
      writePlanHeader(header, 0, line.number, line.customId.length, line.body.length)
      lines.push(Buffer.concat([header, line.customId, line.body]))
      if (lines.length % 3 === 0) await reading
    }
  }
}

test('the lines of a shard come in order and whole, also those longer than a window', async () => {
  const blobs = await open()
  const size = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 2, max: 300_000 }) },
    fc.integer({ min: mebibyte - 30, max: mebibyte + 30 }),
    fc.integer({ min: mebibyte, max: 4 * mebibyte }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(size, { maxLength: 12 }), async (sizes) => {
      const bytes = plan(sizes)
      await blobs.put('plan', bytes)
      const lines = await drain(openWindow(blobs, leaseOf(bytes.length, sizes.length)))
      expect(lines).toHaveLength(sizes.length)
      expect(Buffer.concat(lines).equals(bytes)).toBe(true)
    }),
    { numRuns: 40 },
  )
})

test('a line longer than a window is at hand after two readings: the first tells how long it is', async () => {
  const blobs = await open()
  const bytes = plan([9_000_000])
  await blobs.put('plan', bytes)
  const window = openWindow(blobs, leaseOf(bytes.length, 1))
  await window.fill(never)
  expect(window.next()).toBeUndefined()
  await window.fill(never)
  expect(window.next()?.body.length).toBe(9_000_000)
})

test('a shard has its own stretch of the plan and nothing of its neighbours', async () => {
  const blobs = await open()
  const [before, own, after] = [plan([70, 800_000]), plan([2_000_000, 5, 5]), plan([90])]
  await blobs.put('plan', Buffer.concat([before, own, after]))
  const lines = await drain(openWindow(blobs, leaseOf(own.length, 3, before.length)))
  expect(Buffer.concat(lines).equals(own)).toBe(true)
})

test('lines that were taken stay as they are when the window reads on', async () => {
  const blobs = await open()
  const bytes = plan(Array.from({ length: 30 }, () => 200_000))
  await blobs.put('plan', bytes)
  const window = openWindow(blobs, leaseOf(bytes.length, 30))
  await window.fill(never)
  const first = window.next()
  await drain(window)
  expect(first!.body.equals(planned(1, 200_000).subarray(13))).toBe(true)
})

test('it is time to read when less than half a window is left, and never when all is read', async () => {
  const blobs = await open()
  const bytes = plan(Array.from({ length: 16 }, () => 100_000))
  await blobs.put('plan', bytes)
  const window = openWindow(blobs, leaseOf(bytes.length, 16))
  expect(window.low).toBe(true)
  await window.fill(never)
  const low: boolean[] = []
  for (let i = 0; i < 10; i++) {
    low.push(window.low)
    window.next()
  }
  expect(low.indexOf(true)).toBe(6)
  await window.fill(never)
  await drain(window)
  expect(window.low).toBe(false)
})

test('a reading that fails is told, and the next one goes on from there', async () => {
  const blobs = await open()
  const bytes = plan([900_000, 900_000, 900_000])
  const window = openWindow(blobs, leaseOf(bytes.length, 3))
  for (let i = 0; i < 2; i++) await expect(window.fill(never)).rejects.toThrow(BlobMissing)
  await blobs.put('plan', bytes)
  await window.fill(never)
  const first = window.next()
  await blobs.delete(['plan'])
  await expect(window.fill(never)).rejects.toThrow(BlobMissing)
  expect(window.next()).toBeUndefined()
  await blobs.put('plan', bytes)
  expect(first!.number).toBe(1)
  expect(Buffer.concat(await drain(window)).equals(bytes.subarray(planned(1, 900_000).length))).toBe(true)
})

test('a reading ends with the reason of its abort', async () => {
  const blobs = await open()
  await blobs.put('plan', plan([10]))
  await expect(openWindow(blobs, leaseOf(10, 1)).fill(AbortSignal.abort(new Error('the lease is lost')))).rejects.toThrow(
    'the lease is lost',
  )
})

test('of a plan that is shorter than the row says, what is missing is a failure and never the end', async () => {
  const blobs = await open()
  const bytes = plan([2_000_000, 40])
  await blobs.put('plan', bytes.subarray(0, -1))
  const window = openWindow(blobs, leaseOf(bytes.length, 2))
  await expect(drain(window)).rejects.toThrow(BlobMissing)
  await expect(drain(window)).rejects.toThrow(BlobMissing)
})

test('what a line has is not overwritten while it is out; afterwards its memory is used again', async () => {
  const blobs = await open()
  const sizes = Array.from({ length: 120 }, (_, i) => 60_000 + (i % 7) * 10_000)
  const bytes = plan(sizes)
  await blobs.put('plan', bytes)
  const memories = async (back: (out: number) => number, pick = (n: number, of: number) => (n * 7) % of): Promise<number> => {
    const window = openWindow(blobs, leaseOf(bytes.length, sizes.length))
    const used = new Set<Buffer>()
    const out: { body: Buffer; was: Buffer; stretch: Stretch }[] = []
    for (let line = window.next(); line !== null; line = window.next()) {
      if (line === undefined || window.low) await window.fill(never)
      if (!line) continue
      const { stretch } = window
      stretch.out++
      used.add(stretch.memory)
      out.push({ body: line.body, was: Buffer.from(line.body), stretch })
      for (let n = back(out.length); n > 0; n--) {
        const one = out.splice(pick(n, out.length), 1)[0]
        if (one) one.stretch.out--
      }
      expect(out.every(({ body, was }) => body.equals(was))).toBe(true)
    }
    return used.size
  }
  const inOrder = () => 0
  expect(await memories((out) => (out > 3 ? 1 : 0), inOrder)).toBe(2)
  expect(await memories((out) => (out > 40 ? 9 : 0))).toBeGreaterThan(2)
  expect(await memories(() => 0)).toBeGreaterThan(5)
})
