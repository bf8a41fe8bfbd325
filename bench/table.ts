/** Input files of a bench, made once, and the table that it prints as it goes. */
import { createWriteStream, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lines } from './batch.ts'

export type Scenario = () => Promise<void>

const folder = mkdtempSync(join(tmpdir(), 'nightshift-bench-input-'))
export const removeFiles = (): void => rmSync(folder, { recursive: true, force: true })

export const row = (what: string, measured: string, aim = ''): void =>
  console.log(`${what.padEnd(58)} ${measured.padEnd(62)} ${aim}`)
export const ratio = (n: number): string => n.toFixed(2)
export const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length
/** The value below which the given share of the list lies. */
export const quantile = (list: readonly number[], share: number): number =>
  list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))] ?? NaN

export async function fileOf(count: number, bytes: number): Promise<string> {
  const path = join(folder, `${count}-${bytes}.jsonl`)
  if (existsSync(path)) return path
  const file = createWriteStream(path)
  for (const line of lines(count, bytes)) if (!file.write(line)) await once(file, 'drain')
  file.end()
  await once(file, 'close')
  return path
}

/** An input file that a scenario has made itself. */
export function writeInput(name: string, text: string): string {
  const path = join(folder, `${name}.jsonl`)
  writeFileSync(path, text)
  return path
}

/** A settings file. */
export function writeConfig(text: string): string {
  const path = join(folder, 'nightshift.yaml')
  writeFileSync(path, text)
  return path
}

/** nginx answers everything with the one answer, so its model is named in the settings. */
export const configFor = (url: string): string => writeConfig(`backends:\n  - url: ${url}\n    models: [sim]\n`)
