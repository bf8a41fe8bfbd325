import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { expect, test } from 'vitest'
import { mergedRow, type Merged } from '../domain/merged.ts'
import { answeredMiddle, answeredTail, unansweredTail } from '../domain/result.ts'
import { openTable } from './merge-formats.ts'

function line(id: string, ending: string, request = '{"model":"m"}'): Merged {
  const customId = Buffer.from(JSON.stringify(id))
  const head = `{"id":"x","custom_id":${customId.toString()}`
  return {
    customId,
    request: Buffer.from(request),
    result: Buffer.from(`${head}${ending}`.trimEnd()),
    customIdEnd: Buffer.byteLength(head),
  }
}
const answered = (body: string, status = 200) => `${answeredMiddle(status, 'r1')}${body}${answeredTail.toString()}`
const talk = (text: string) => answered(JSON.stringify({ choices: [{ message: { content: text } }] }))

async function written(lines: Iterable<Merged>): Promise<{ file: ArrayBuffer; writes: number }> {
  const pieces: Buffer[] = []
  const table = await openTable('parquet', async (bytes) => void pieces.push(Buffer.from(bytes)))
  for (const one of lines) await table.add(one)
  await table.end()
  return { file: new Uint8Array(Buffer.concat(pieces)).buffer, writes: pieces.length }
}

test('a Parquet file has the columns of the CSV with their types, and nothing where there is nothing', async () => {
  const lines = [
    line('a, "ü" 🙂', talk('h\u0000i\n"x"')),
    line('refused', answered('{"error":{"message":"too long","code":"length"}}', 400), '{"n":12345678901234567890}'),
    line('embedding', answered('{"data":[{"embedding":[1,2]}]}')),
    line('over', unansweredTail('batch_expired', 'the window')),
  ]
  const { file } = await written(lines)
  const { num_rows, schema, created_by } = parquetMetadata(file)
  expect([num_rows, created_by]).toEqual([4n, 'nightshift'])
  expect(schema.slice(1).map(({ name, type, repetition_type }) => `${name} ${type} ${repetition_type}`)).toEqual([
    'custom_id BYTE_ARRAY REQUIRED',
    'status INT32 OPTIONAL',
    'answer BYTE_ARRAY OPTIONAL',
    'error_code BYTE_ARRAY OPTIONAL',
    'error_message BYTE_ARRAY OPTIONAL',
    'request BYTE_ARRAY REQUIRED',
    'response BYTE_ARRAY OPTIONAL',
  ])
  expect(await parquetReadObjects({ file })).toEqual(lines.map(mergedRow))
})

test('one of no rows can be read too', async () => {
  const { file } = await written([])
  expect(await parquetReadObjects({ file })).toEqual([])
})

test('many lines are row groups, each written before the next is gathered', async () => {
  const lines = Array.from({ length: 90 }, (_, i) => line(`l${i}`, talk(`${i} ${String(i % 10).repeat(300_000)}`)))
  const { file, writes } = await written(lines)
  const { row_groups } = parquetMetadata(file)
  expect(row_groups.length).toBeGreaterThanOrEqual(3)
  expect(writes).toBe(row_groups.length + 1)
  const rows = await parquetReadObjects({ file, columns: ['custom_id', 'answer'] })
  expect(rows).toEqual(lines.map(mergedRow).map(({ custom_id, answer }) => ({ custom_id, answer })))
})
