/** What a file is, by its first bytes and by what somebody says of it. */

/** So many bytes tell the kinds that are known here. */
export const kindBytes = 12

/** The first twelve bytes, as three words of four characters each. */
export const wordsOf = (head: Buffer): readonly string[] => [0, 4, 8].map((at) => head.toString('latin1', at, at + 4))

/** The media type that a content-type tells, in lower case and without what follows; null: it is of none of these families. */
export function toldType(contentType: string | null, families: readonly string[]): string | null {
  const told = contentType?.split(';')[0]?.trim().toLowerCase() ?? ''
  return /^\w+\/[\w.+-]+$/.test(told) && families.includes(told.slice(0, told.indexOf('/'))) ? told : null
}
