/** Is a text what a pattern says, in which `*` stands for any characters? Without a regular expression: many stars take no longer than their number times the text. */
export function fitsStars(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const piece of rest) {
    const found = text.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return text.length - at >= last.length && text.endsWith(last)
}
