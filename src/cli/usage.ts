import type { Client, UsageAsk, UsageRowView, UsageView } from '../client.ts'
import { exit, type Exit } from './failure.ts'
import type { Office } from './office.ts'
import { table, type Terminal } from './terminal.ts'

export const usageFormats = ['table', 'csv'] as const

export interface UsageFlags {
  readonly from?: string
  readonly to?: string
  readonly by?: string
  readonly format?: string
}

/** What the project has used, as a table, as CSV or as JSON. */
export const usage = async (t: Terminal, client: Client, flags: UsageFlags): Promise<Exit> =>
  show(t, await client.usage(askIn(flags)), flags, columns)

/** What all projects have used, or one of them. */
export const usageOfAll = async (t: Terminal, office: Office, project: string | undefined, flags: UsageFlags): Promise<Exit> =>
  show(t, await office.usageOfAll({ ...askIn(flags), ...(project !== undefined && { project }) }), flags, {
    ...ofProjects,
    ...columns,
  })

const askIn = ({ from, to, by }: UsageFlags): UsageAsk => ({
  ...(from !== undefined && { start: from }),
  ...(to !== undefined && { end: to }),
  ...(by !== undefined && { group_by: by }),
})

type Columns = Readonly<Record<string, (row: UsageRowView) => string | number | undefined>>
const ofProjects: Columns = { project_id: (row) => row.project_id, project: (row) => row.project_name }
const columns: Columns = {
  date: (row) => row.date,
  model: (row) => row.model,
  endpoint: (row) => row.endpoint,
  api_key_id: (row) => row.api_key_id,
  batches: (row) => row.batches,
  completed: (row) => row.requests.completed,
  failed: (row) => row.requests.failed,
  input: (row) => row.input_tokens,
  cached: (row) => row.input_cached_tokens,
  output: (row) => row.output_tokens,
  seconds: (row) => row.seconds,
  cost: (row) => (row.cost ? `${row.cost.value} ${row.cost.currency}` : undefined),
}

function show(t: Terminal, found: UsageView, { format }: UsageFlags, shown: Columns): Exit {
  const titles = Object.keys(shown)
  const rows = found.data.map((row) => Object.values(shown).map((cellOf) => String(cellOf(row) ?? '')))
  if (t.json) t.out(`${JSON.stringify(found, null, 2)}\n`)
  else if (format === 'csv') t.out(csvOf([titles, ...rows]))
  else t.out(table([titles.map((title) => title.toUpperCase().replaceAll('_', ' ')), ...rows]))
  return exit.done
}

/** RFC 4180. */
const csvOf = (rows: readonly (readonly string[])[]): string =>
  rows
    .map((cells) => `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\r\n`)
    .join('')
