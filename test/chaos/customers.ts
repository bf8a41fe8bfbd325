/** Those who have batches run meanwhile: each sends one after the other, looks at it until it ends, sometimes cancels it, and counts what comes back. */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { expectProgress, terminal } from '../conformance/follow.ts'
import { linesOf, type Lines } from '../conformance/lines.ts'
import { parseResults, readResults } from '../conformance/results.ts'
import { call, create, getBatch, tryUpload, type Batch, type Door } from '../conformance/wire.ts'
import type { Chance } from '../support/chance.ts'
import { bucket, type Fleet } from './fleet.ts'
import { patient } from './patient.ts'

export interface Run {
  readonly id: string
  readonly door: Door
  readonly lines: Lines
  readonly from: 'an upload' | 'an object'
  readonly cancelled: boolean
  readonly ended: Batch
  /** Lines without an answer, but for those of a cancelled batch. */
  readonly gaveUp: number
}

const scripts = ['[[400]]', '[[503x1]]', '[[429x1]]', '[[500x1]]', '[[text 418]]'] as const
/** After the disasters all that runs must come to its end within this. */
const calmMs = 180_000

export async function haveRun(fleet: Fleet, chance: Chance, signal: AbortSignal, ended: (run: Run) => void): Promise<void> {
  while (!signal.aborted) ended(await runOne(fleet, chance, signal))
}

async function runOne(fleet: Fleet, chance: Chance, signal: AbortSignal): Promise<Run> {
  const door = chance.pick(fleet.doors as [Door, ...Door[]])
  const slow = `[[slow ${chance.pick([20, 60, 150])}]]`
  const count = chance.pick([1, 40, 300, 900, 2000])
  const lines = linesOf(Array.from({ length: count }, () => (chance.happens(0.04) ? chance.pick(scripts) : slow)))
  const from = chance.pick<Run['from']>(['an upload', 'an object'])
  const input = from === 'an upload' ? await sendFile(door, lines) : await putObject(fleet, lines)
  const idempotent = { headers: { 'idempotency-key': randomUUID() } }
  const { id } = await patient('create', () => create(door, { input_file_id: input }, idempotent))
  const cancelAt = chance.happens(0.15) ? chance.between(0, count) : Infinity
  let before: Batch | undefined
  let cancelled = false
  let calmFrom = Infinity
  for (;;) {
    const now = await patient(`batch ${id}`, () => getBatch(door, id))
    expectProgress(before, now)
    before = now
    if (terminal.includes(now.status)) break
    if (!cancelled && now.request_counts.completed >= cancelAt) {
      cancelled = true
      await patient('cancel', async () => {
        const { status } = await call(door, 'POST', `/v1/batches/${id}/cancel`)
        expect([200, 409]).toContain(status)
      })
    }
    if (signal.aborted) calmFrom = Math.min(calmFrom, Date.now())
    if (Date.now() - calmFrom > calmMs) throw new Error(`batch ${id} does not come to an end; last seen: ${JSON.stringify(now)}`)
    await pause(100)
  }
  return { id, door, lines, from, cancelled, ended: before, gaveUp: await accountFor(fleet, door, before, lines, cancelled) }
}

const sendFile = (door: Door, lines: Lines): Promise<string> =>
  patient('upload', async () => {
    const { status, json } = await tryUpload(door, lines.text)
    expect(status).toBe(200)
    return (json as { id: string }).id
  })

async function putObject({ s3 }: Fleet, lines: Lines): Promise<string> {
  const key = `${lines.mark}/in put+1.jsonl`
  await s3.putObject({ Bucket: bucket, Key: key, Body: lines.text })
  return `s3://${bucket}/${key}`
}

/** Each line in exactly one result, its own answer, counts and usage as the results have them (I1, I5, I16). Says how many lines have no answer. */
async function accountFor(fleet: Fleet, door: Door, batch: Batch, lines: Lines, cancelled: boolean): Promise<number> {
  expect(cancelled ? ['completed', 'cancelled', 'failed'] : ['completed'], JSON.stringify(batch)).toContain(batch.status)
  if (batch.status === 'cancelled' && batch.request_counts.total === 0) return 0 // NOTE: cancelled before it was planned: it has no lines
  const { output, errors } = await patient(`results of ${batch.id}`, () => readResults(door, batch, lines.customIds))
  if (batch.output_file_id?.startsWith('s3://')) {
    const key = batch.output_file_id.slice(`s3://${bucket}/`.length)
    const { Body } = await fleet.s3.getObject({ Bucket: bucket, Key: decodeURIComponent(key) })
    expect(parseResults((await Body?.transformToString()) ?? '')).toEqual(output)
  }
  for (const { custom_id, response } of output) {
    const choices = response?.body.choices as { message: { content: string } }[] | undefined
    const prompt = lines.prompts[Number(custom_id.slice('line-'.length))]
    expect(choices?.[0]?.message.content, `the answer of ${custom_id}`).toBe(`echo: ${prompt}`)
  }
  if (!cancelled) expect(errors.every(({ error }) => error?.code !== 'batch_cancelled')).toBe(true)
  return errors.filter(({ error }) => error !== null && error.code !== 'batch_cancelled').length
}
