import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BatchId } from './ids.ts'
import { answeredMiddle, answeredTail, beginningOf, resultHead, resultIdPrefix, unansweredTail } from './result.ts'
import { isChosen, makePicks } from './retried.ts'

const id = '0198c0de-0000-7000-8000-0123456789ab' as BatchId
const prefix = resultIdPrefix(id)

test('a result line is known by its beginning, whatever its custom_id and however it ended', () =>
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 512 }),
      fc.nat({ max: 2 ** 40 }),
      fc.option(fc.integer({ min: 100, max: 999 })),
      (customId, line, status) => {
        const raw = JSON.stringify(customId)
        const ending =
          status === null
            ? unansweredTail('batch_expired', 'x')
            : `${answeredMiddle(status, 'r')}{"a":"b"}${answeredTail.toString()}`
        const bytes = Buffer.from(`before${resultHead(prefix, line)}${raw}${ending}`)
        const found = beginningOf(prefix, bytes, 6, bytes.length - 1)
        expect(found && bytes.toString('utf8', found.customIdStart, found.customIdEnd)).toBe(raw)
        expect(found).toMatchObject({ line, status, code: status === null ? 'batch_expired' : null })
      },
    ),
  ))

test.each([
  ['{}', 'another form'],
  [
    `${resultHead(resultIdPrefix('0198c0de-0000-7000-8000-0123456789ac' as BatchId), 1)}"a"${unansweredTail('batch_expired', 'x')}`,
    'another batch',
  ],
  [`${resultHead(prefix, 1)}1${unansweredTail('batch_expired', 'x')}`, 'an id that is no string'],
])('what is no result line of the batch is told: %#', (text) =>
  expect(beginningOf(prefix, Buffer.from(text), 0, text.length)).toBeNull(),
)

test('picks are the lines that were added, and the sum tells whether two sets are the same', () =>
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 100_000 })), (lines) => {
      const [a, b] = [makePicks(), makePicks()]
      for (const line of lines) a.add(line, line * 7)
      for (const line of lines.toReversed()) b.add(line, line * 7)
      expect([a.count, a.sum]).toEqual([lines.length, b.sum])
      for (const line of [...lines, 100_001]) expect(a.has(line)).toBe(lines.includes(line))
    }),
  ))

test('two lines that have changed places are not the same', () => {
  const [a, b] = [makePicks(), makePicks()]
  a.add(1, 1234)
  a.add(2, 98765)
  b.add(1, 98765)
  b.add(2, 1234)
  expect([a.count, a.sum === b.sum]).toEqual([2, false])
})

test('a line is chosen by its code or its status; without either, each is', () => {
  const expired = { code: 'batch_expired', status: null }
  const refused = { code: null, status: 400 }
  const chosen = (codes: string[] | null, statuses: number[] | null) =>
    [expired, refused].map((one) => isChosen({ codes, statuses }, one))
  expect(chosen(null, null)).toEqual([true, true])
  expect(chosen(['batch_expired'], null)).toEqual([true, false])
  expect(chosen(null, [400])).toEqual([false, true])
  expect(chosen(['batch_expired'], [400, 500])).toEqual([true, true])
  expect(chosen(['other'], [500])).toEqual([false, false])
})
