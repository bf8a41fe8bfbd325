import type { Client, UsageRowView } from '../client.ts'
import { exit, type Exit } from './failure.ts'
import { table, type Terminal } from './terminal.ts'

export const usageFormats = ['table', 'csv'] as const

export interface UsageFlags {
  readonly from?: string
  readonly to?: string
  readonly by?: string
  readonly format?: string
}

/** What the project has used, as a table, as CSV or as JSON. */
export async function usage(t: Terminal, client: Client, { from, to, by, format }: UsageFlags): Promise<Exit> {
  const found = await client.usage({
    ...(from !== undefined && { start: from }),
    ...(to !== undefined && { end: to }),
    ...(by !== undefined && { group_by: by }),
  })
  if (t.json) t.out(`${JSON.stringify(found, null, 2)}\n`)
  else if (format === 'csv') t.out(csvOf(found.data))
  else t.out(table([titles.map((title) => title.toUpperCase().replaceAll('_', ' ')), ...found.data.map(cellsOf)]))
  return exit.done
}

const titles = [
  'date',
  'model',
  'endpoint',
  'api_key_id',
  'batches',
  'completed',
  'failed',
  'input',
  'cached',
  'output',
  'seconds',
  'cost',
]

const cellsOf = (row: UsageRowView): string[] =>
  [
    row.date,
    row.model,
    row.endpoint,
    row.api_key_id,
    row.batches,
    row.requests.completed,
    row.requests.failed,
    row.input_tokens,
    row.input_cached_tokens,
    row.output_tokens,
    row.seconds,
    row.cost ? `${row.cost.value} ${row.cost.currency}` : undefined,
  ].map((cell) => String(cell ?? ''))

/** RFC 4180. */
const csvOf = (rows: readonly UsageRowView[]): string =>
  [titles, ...rows.map(cellsOf)]
    .map((cells) => `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\r\n`)
    .join('')
