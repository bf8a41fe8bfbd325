/** Longer names are cut, their ending kept: no server needs more to know what it is. */
const maxLength = 120

/** What a fetched file may be called: as its `Content-Disposition` says, or as the last part of its path; null: neither is a name. */
export const fileNameOf = (disposition: string | null, path: string): string | null =>
  disposed(disposition ?? '') ?? lastPart(path)

function disposed(header: string): string | null {
  const extended = /;\s*filename\*\s*=\s*utf-8'[^';]*'([^;\s"]+)/i.exec(header)?.[1]
  if (extended !== undefined) return plainName(decodeOnce(extended))
  const [, quoted, bare] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))/i.exec(header) ?? []
  return plainName(quoted?.replaceAll(/\\(.)/g, '$1') ?? bare ?? '')
}

const lastPart = (path: string): string | null =>
  plainName(decodeOnce(/[^/?#]*(?=[?#]|$)/.exec(path.replace(/[?#].*$/s, ''))?.[0] ?? ''))

/** No folder, nothing that cannot be seen, no leading dot or dash; in one Unicode form. */
export function plainName(text: string): string | null {
  const name = text
    .normalize('NFC')
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}"<>|:*?]/gu, '')
    .replace(/^.*[/\\]/s, '')
    .replace(/^[\s.-]+|[\s.]+$/gu, '')
  if (name === '') return null
  const letters = [...name]
  return letters.length <= maxLength ? name : [...letters.slice(0, maxLength - 20), ...letters.slice(-20)].join('')
}

/** Percent-decoding, once. What is not UTF-8 stays as it is. */
function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
