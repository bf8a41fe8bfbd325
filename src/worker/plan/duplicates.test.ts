import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { errorsOf, line, lines, numbered, planOf, refusalOf } from '../../../test/support/plan-file.ts'
import { makeHash, type Hash } from '../../domain/custom-id-hash.ts'

/** Ids as they are written: some are the same in another spelling, some only look the same or become the same when written as UTF-8. */
const spellings =
  String.raw`"a" "\u0061" "a/b" "a\/b" "\u0061/b" "A" "ü" "\u00FC" "u\u0308" "\ud800" "\udfff" "\ufffd" "�"`.split(' ')
const hashes: Record<string, Hash> = { 'a good hash': makeHash(3, 4), 'a hash that is the same for all': () => 7 }

test.each(Object.entries(hashes))('with %s, each id that came before is found, however it is spelled, and no other', (_, hash) =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...spellings), { minLength: 1, maxLength: 12 }), async (ids) => {
      const decoded = ids.map((id) => JSON.parse(id) as string)
      const twins = decoded.flatMap((id, i) => (decoded.indexOf(id) < i ? [['duplicate_custom_id', i + 1]] : []))
      const { result, plan } = await planOf(lines(...ids.map((id) => line(id))), {}, hash)
      expect(errorsOf(result).map((e) => [e.code, e.line])).toEqual(twins)
      expect(plan?.map(([, id]) => id) ?? null).toEqual(twins.length > 0 ? null : ids)
    }),
    { numRuns: 60 },
  ),
)

test('a duplicate is told with its id, on the line that came later', async () => {
  const { result } = await planOf(numbered(300) + lines(line('"id-\\u0037"')))
  expect(errorsOf(result)).toMatchObject([{ code: 'duplicate_custom_id', param: 'custom_id', line: 301 }])
  expect(errorsOf(result)[0]!.message).toContain("'id-7'")
})

test('they are found in a packed file, and beside other errors', async () => {
  const file = lines(line('"a"'), 'no JSON', '{"custom_id":7}', line('"b"'), line('"a"'))
  const found = await refusalOf(gzipSync(file), { gzip: true })
  expect(found.filter(([, at]) => at !== 3)).toEqual([
    ['invalid_json_line', 2],
    ['duplicate_custom_id', 5],
  ])
})
