import type { BatchView } from '../client.ts'

/** Where a command writes, and what kind of place that is. */
export interface Terminal {
  readonly isTerminal: boolean
  readonly json: boolean
  out(text: string): void
  err(text: string): void
  readonly colour: boolean
}

export function openTerminal(json: boolean, env: Readonly<Record<string, string | undefined>>): Terminal {
  return {
    json,
    isTerminal: process.stdout.isTTY,
    colour: process.stdout.isTTY && env.NO_COLOR === undefined,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  }
}

const colours: Readonly<Record<string, number>> = {
  completed: 32,
  failed: 31,
  expired: 33,
  cancelled: 33,
  cancelling: 33,
  in_progress: 36,
  validating: 36,
  finalizing: 36,
}

export const coloured = (t: Terminal, status: string): string =>
  t.colour ? `\u001b[${colours[status] ?? 0}m${status}\u001b[0m` : status

export const when = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('T', ' ').slice(0, 19)

export const isOver = (status: string): boolean => ['completed', 'failed', 'expired', 'cancelled'].includes(status)

/** A batch in a few lines, for people. */
export function describeBatch(t: Terminal, b: BatchView): string {
  const { total, completed, failed } = b.request_counts
  const lines = [
    `${b.id}  ${coloured(t, b.status)}`,
    `  ${b.endpoint}${b.model === null ? '' : `, ${b.model}`}, created ${when(b.created_at)}`,
    `  input   ${b.input_file_id}`,
    `  lines   ${completed} completed, ${failed} failed, of ${total}`,
    `  tokens  ${b.usage.input_tokens} in, ${b.usage.output_tokens} out`,
  ]
  if (b.at_risk) lines.push(`  at risk: at the present pace it will not be done by ${when(b.expires_at)}`)
  if (b.output_file_id !== null) lines.push(`  output  ${b.output_file_id}`)
  if (b.error_file_id !== null) lines.push(`  errors  ${b.error_file_id}`)
  for (const e of b.errors?.data ?? []) lines.push(`  ${e.line === null ? '' : `line ${e.line}: `}${e.message} (${e.code})`)
  return `${lines.join('\n')}\n`
}

/** Columns, each as wide as its widest. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)))
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
