export interface Suffixes {
  readonly output: string
  readonly error: string
}

/** `dir/tickets.jsonl` -> `dir/tickets-output.jsonl` and `dir/tickets-error.jsonl` (D5). */
export function outputKeys(inputKey: string, suffixes: Suffixes): { output: string; error: string } {
  const stem = stemOf(inputKey)
  return { output: stem + suffixes.output, error: stem + suffixes.error }
}

/** The names to which both change if either is taken (D6). */
export function outputKeysWithId(inputKey: string, batchId: string, suffixes: Suffixes): { output: string; error: string } {
  const stem = `${stemOf(inputKey)}-${batchId}`
  return { output: stem + suffixes.output, error: stem + suffixes.error }
}

/** The key without `.jsonl`, `.jsonl.gz` or else its last extension. A name that begins with its only dot has none. */
function stemOf(key: string): string {
  const at = key.lastIndexOf('/') + 1
  const name = key.slice(at)
  const known = /^(.+)\.jsonl(?:\.gz)?$/is.exec(name) ?? /^(.+)\.[^.]*$/s.exec(name)
  return key.slice(0, at) + (known?.[1] ?? name)
}
