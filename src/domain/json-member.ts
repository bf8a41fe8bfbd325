/** A loop, because the texts are short: a call into native code costs more than the comparison. */
export function sameBytes(bytes: Uint8Array, start: number, end: number, expected: Uint8Array | undefined): boolean {
  if (end - start !== expected?.length) return false
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false
  return true
}

/** Names of members that are looked for in objects that are read as bytes. */
export interface MemberNames {
  readonly names: readonly string[]
  readonly bytes: readonly Buffer[]
}

export const memberNames = (names: readonly string[]): MemberNames => ({ names, bytes: names.map((name) => Buffer.from(name)) })

/**
 * Which of the names a key is (it stands from `start` to `end`, quotes included), or -1. No string is made of it; what is unknown is decoded only if it is
 * escaped, for then it may be a known one.
 */
export function memberAt({ names, bytes: known }: MemberNames, bytes: Buffer, start: number, end: number): number {
  for (let i = 0; i < known.length; i++) if (sameBytes(bytes, start + 1, end - 1, known[i])) return i
  for (let i = start + 1; i < end - 1; i++)
    if (bytes[i] === 0x5c) return names.indexOf(JSON.parse(bytes.toString('utf8', start, end)) as string)
  return -1
}
