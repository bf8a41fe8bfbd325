import { expect, test } from 'vitest'
import { errorsOf, line, lines, numbered, openHome, readPlan, specOf } from '../../../test/support/plan-file.ts'
import { makeHash } from '../../domain/custom-id-hash.ts'
import type { BatchId } from '../../domain/ids.ts'
import { answeredMiddle, answeredTail, resultHead, resultIdPrefix, unansweredTail } from '../../domain/result.ts'
import type { FailedLines } from '../../domain/retried.ts'
import { planFile } from './plan.ts'
import type { PlanSpec } from './plan-spec.ts'

const prefix = resultIdPrefix('0198c0de-0000-7000-8000-0123456789ab' as BatchId)
const all: FailedLines = { codes: null, statuses: null }
const expired = (number: number, id = `id-${number - 1}`) =>
  `${resultHead(prefix, number)}"${id}"${unansweredTail('batch_expired', 'x')}`
const refused = (number: number, status: number) =>
  `${resultHead(prefix, number)}"id-${number - 1}"${answeredMiddle(status, 'r')}{}${answeredTail.toString()}`

async function planned(input: string, errorFile: string, only = all, more: Partial<PlanSpec> = {}) {
  const { folder, blobs } = await openHome()
  await blobs.put('in', Buffer.from(input))
  await blobs.put('errors', Buffer.from(errorFile))
  const spec = specOf(folder, {
    retry: { errors: { kind: 'blob', place: { kind: 'folder', folder }, name: 'errors' }, prefix, only },
    ...more,
  })
  const open = (name: string) => (s: AbortSignal) => blobs.read(name, undefined, s)
  const parts = { read: open('in'), readErrors: open('errors'), target: blobs, hash: makeHash(1, 2) }
  const result = await planFile(parts, spec, new AbortController().signal)
  const plan = await readPlan(blobs, 'plan')
  return { errors: errorsOf(result).map(({ code }) => code), lines: plan?.map(([number, id]) => `${number} ${id}`) }
}

test('of an input only the lines of the error file are planned, in the order of the input and with their numbers', async () => {
  expect(await planned(numbered(9), expired(7) + refused(2, 500) + expired(9))).toEqual({
    errors: [],
    lines: ['2 "id-1"', '7 "id-6"', '9 "id-8"'],
  })
})

test('codes and statuses choose among them', async () => {
  const errorFile = expired(7) + refused(2, 500) + refused(3, 400)
  const chosen = async (only: Partial<FailedLines>) => (await planned(numbered(9), errorFile, { ...all, ...only })).lines
  expect(await chosen({ statuses: [500] })).toEqual(['2 "id-1"'])
  expect(await chosen({ codes: ['batch_expired'], statuses: [400] })).toEqual(['3 "id-2"', '7 "id-6"'])
  expect(await planned(numbered(9), errorFile, { ...all, statuses: [404] })).toEqual({
    errors: ['nothing_to_retry'],
    lines: undefined,
  })
})

test('limits are those of the lines that are planned', async () => {
  expect((await planned(numbered(9), expired(7), all, { maxLines: 1 })).lines).toEqual(['7 "id-6"'])
  expect((await planned(numbered(9), expired(7) + expired(8), all, { maxLines: 1 })).errors).toEqual(['too_many_tasks'])
})

test.each([
  ['is shorter', numbered(3), 'input_modified'],
  ['has another line there', lines(...Array.from({ length: 9 }, (_, i) => line(`"other-${i}"`))), 'input_modified'],
  ['has one line less before it', numbered(9).slice(numbered(1).length), 'input_modified'],
])('an input that %s is not the one that ran', async (_, input, code) => {
  expect(await planned(input, expired(7))).toEqual({ errors: [code], lines: undefined })
})

test.each([
  ['of another batch', expired(7).replace('89ab', '89ac')],
  ['that is no result', '{"hello":"world"}\n'],
])('an error file with a line %s is none', async (_, errorFile) => {
  expect((await planned(numbered(9), errorFile)).errors).toEqual(['error_file_modified'])
})
