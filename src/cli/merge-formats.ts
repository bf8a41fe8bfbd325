import type { ByteWriter } from 'hyparquet-writer'
import { csvHead, mergedColumns, mergedCsv, mergedJson, mergedRow, type Merged, type MergedRow } from '../domain/merged.ts'

export const formats = ['jsonl', 'csv', 'parquet'] as const
export type Format = (typeof formats)[number]

export type Write = (bytes: Buffer) => Promise<void>

/** Lines as they are written in one of the formats, some at a time. */
export interface Table {
  add(line: Merged): Promise<void>
  end(): Promise<void>
}

const writtenAtOnce = 1024 * 1024
/** Characters of a row group: readers skip and parallelise by them, and a writer holds one. */
const groupCharacters = 16 * 1024 * 1024

export function openTable(format: Format, out: Write): Promise<Table> {
  if (format === 'parquet') return openParquet(out)
  return Promise.resolve(
    format === 'csv'
      ? openText(out, csvHead, (line) => Buffer.from(mergedCsv(line)))
      : openText(out, '', (line) => mergedJson(line)),
  )
}

function openText(out: Write, head: string, written: (line: Merged) => Buffer): Table {
  let pieces: Buffer[] = [Buffer.from(head)]
  let waiting = 0
  const flush = async () => {
    await out(Buffer.concat(pieces))
    ;[pieces, waiting] = [[], 0]
  }
  return {
    async add(line) {
      const piece = written(line)
      pieces.push(piece)
      waiting += piece.length
      if (waiting >= writtenAtOnce) await flush()
    },
    end: flush,
  }
}

/** Row groups one after the other, snappy within. */
async function openParquet(out: Write): Promise<Table> {
  const { ByteWriter, ParquetWriter } = await import('hyparquet-writer') // NOTE: late: who asks for another format need not load it
  const bytes = new ByteWriter()
  const flush = () => writeOut(bytes, out)
  const writer = new ParquetWriter({
    writer: Object.assign(bytes, { flush, finish: flush }),
    schema: [
      { name: 'root', num_children: mergedColumns.length },
      ...mergedColumns.map((name) => ({
        name,
        repetition_type: name === 'custom_id' || name === 'request' ? ('REQUIRED' as const) : ('OPTIONAL' as const),
        ...(name === 'status'
          ? { type: 'INT32' as const }
          : { type: 'BYTE_ARRAY' as const, converted_type: 'UTF8' as const, logical_type: { type: 'STRING' as const } }),
      })),
    ],
    createdBy: 'nightshift',
  })
  let rows: MergedRow[] = []
  let characters = 0
  const group = async () => {
    await writer.write({
      columnData: mergedColumns.map((name) => ({ name, data: rows.map((row) => row[name]) })),
      rowGroupSize: rows.length,
    })
    ;[rows, characters] = [[], 0]
  }
  return {
    async add(line) {
      const row = mergedRow(line)
      rows.push(row)
      characters += row.request.length + (row.answer?.length ?? 0) + (row.response?.length ?? 0)
      if (characters >= groupCharacters) await group()
    },
    async end() {
      if (rows.length > 0) await group()
      await writer.finish()
    },
  }
}

/** The memory is used again once it is written. */
async function writeOut(bytes: ByteWriter, out: Write): Promise<void> {
  await out(Buffer.from(bytes.getBytes()))
  bytes.index = 0
}
