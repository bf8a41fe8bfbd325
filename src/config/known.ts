import { SettingsError } from './error.ts'

/** `what`: whose names these are, such as "nightshift.yaml: buckets: a bucket". @throws {SettingsError} that says which names there are */
export function onlyKnown(entry: Readonly<Record<string, unknown>>, known: readonly string[], what: string): void {
  const strange = Object.keys(entry).find((name) => !known.includes(name))
  if (strange !== undefined) throw new SettingsError(`${what} has no '${strange}'. It may have: ${known.join(', ')}.`)
}
