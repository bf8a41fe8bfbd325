import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { Blobs } from '../../src/blobs/blobs.ts'
import { openFolder } from '../../src/blobs/folder.ts'
import type { PlanError } from '../../src/domain/batch.ts'
import { makeHash, type Hash } from '../../src/domain/custom-id-hash.ts'
import { readPlanned } from '../../src/domain/plan-format.ts'
import { planFile } from '../../src/worker/plan/plan.ts'
import type { PlanResult, PlanSpec } from '../../src/worker/plan/plan-spec.ts'

const chat = '/v1/chat/completions'
export const goodBody = '{"model":"m","messages":[]}'

/** A line of an input; the id as raw JSON, the body as it is to stand there. */
export const line = (id: string, body = goodBody, url = chat): string =>
  `{"custom_id":${id},"method":"POST","url":"${url}","body":${body}}`
export const lines = (...all: string[]): string => all.map((l) => `${l}\n`).join('')
/** A good file of so many lines, with the ids `id-0` and on. */
export const numbered = (count: number): string => lines(...Array.from({ length: count }, (_, i) => line(`"id-${i}"`)))

export async function openHome(): Promise<{ folder: string; blobs: Blobs }> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-plan-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return { folder, blobs: openFolder(folder) }
}

/** From the blob `in` of a folder to the blob `plan` of it, with limits that nothing reaches. */
export const specOf = (folder: string, more: Partial<PlanSpec> = {}): PlanSpec => ({
  input: { kind: 'blob', place: { kind: 'folder', folder }, name: 'in' },
  gzip: false,
  target: { place: { kind: 'folder', folder }, name: 'plan' },
  endpoint: chat,
  maxLines: 50_000,
  maxFileBytes: Number.MAX_SAFE_INTEGER,
  maxInputs: 50_000,
  models: null,
  maxLineBytes: 1_000_000,
  workers: 1,
  shardLines: 1000,
  shardBytes: 1e9,
  short: false,
  ...more,
})

/** Number, custom_id and body of a planned line. */
export type PlannedText = readonly [number: number, customId: string, body: string]

/** Plans a file, and reads the plan's blob back; null: there is none. */
export async function planOf(
  input: string | Buffer,
  more: Partial<PlanSpec> = {},
  hash: Hash = makeHash(1, 2),
): Promise<{ result: PlanResult; plan: PlannedText[] | null }> {
  const { folder, blobs } = await openHome()
  await blobs.put('in', typeof input === 'string' ? Buffer.from(input) : input)
  const parts = { read: (s: AbortSignal) => blobs.read('in', undefined, s), target: blobs, hash }
  const result = await planFile(parts, specOf(folder, more), new AbortController().signal)
  expect(await readdir(join(folder, '.tmp'))).toEqual([])
  return { result, plan: await readPlan(blobs, 'plan') }
}

export async function readPlan(blobs: Blobs, name: string): Promise<PlannedText[] | null> {
  const bytes = await blobs.head(name)
  if (bytes === null) return null
  const blob = await blobs.readRange({ name, start: 0, bytes })
  const plan: PlannedText[] = []
  for (let at = 0; at < bytes;) {
    const found = readPlanned(blob, at)
    if (!found) throw new Error('a plan ends within a line')
    plan.push([found.line.number, found.line.customId.toString(), found.line.body.toString()])
    at = found.next
  }
  return plan
}

export const errorsOf = (result: PlanResult): readonly PlanError[] => (result.kind === 'refused' ? result.errors : [])

/** Code and line of each error, of a plan that left nothing under its name. */
export async function refusalOf(...of: Parameters<typeof planOf>): Promise<(readonly [code: string, line: number | null])[]> {
  const { result, plan } = await planOf(...of)
  expect(plan).toBeNull()
  return errorsOf(result).map((e) => [e.code, e.line])
}
