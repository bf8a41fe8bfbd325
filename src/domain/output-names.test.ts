import { expect, test } from 'vitest'
import { outputKeys, outputKeysWithId } from './output-names.ts'

const suffixes = { output: '-output.jsonl', error: '-error.jsonl' }

test.each([
  ['dir/tickets.jsonl', 'dir/tickets-output.jsonl'],
  ['tickets.jsonl.gz', 'tickets-output.jsonl'],
  ['a.b.txt', 'a.b-output.jsonl'],
  ['noext', 'noext-output.jsonl'],
  ['d.x/noext', 'd.x/noext-output.jsonl'],
  ['.jsonl', '.jsonl-output.jsonl'],
  ['.hidden.jsonl', '.hidden-output.jsonl'],
  ['d/.env', 'd/.env-output.jsonl'],
  ['a.gz', 'a-output.jsonl'],
])('the results of %s lie beside it', (key, output) => expect(outputKeys(key, suffixes).output).toBe(output))

test('when a name is taken, both have the id', () => {
  expect(outputKeysWithId('d/a.jsonl', 'ID', suffixes)).toEqual({ output: 'd/a-ID-output.jsonl', error: 'd/a-ID-error.jsonl' })
})
