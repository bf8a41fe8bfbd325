import { readdirSync, readFileSync } from 'node:fs'

const ticksASecond = 100

const fieldsOf = (pid: number | string): string[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
const micros = (fields: readonly string[], at: readonly number[]): number =>
  (at.reduce((n, i) => n + Number(fields[i]), 0) * 1e6) / ticksASecond

/** User and system time of a process, microseconds. */
export const cpuMicrosOf = (pid: number): number => micros(fieldsOf(pid), [11, 12])

/** The same of a process with all its children, those included that have ended. */
export function familyCpuMicrosOf(pid: number): number {
  let sum = micros(fieldsOf(pid), [11, 12, 13, 14])
  for (const name of readdirSync('/proc').filter((n) => /^\d+$/.test(n)))
    try {
      const fields = fieldsOf(name)
      if (Number(fields[1]) === pid) sum += micros(fields, [11, 12])
    } catch {
      continue // NOTE: it has ended meanwhile, and is counted with its parent
    }
  return sum
}
