import type { FormField } from './form.ts'

/**
 * The frame of a `multipart/form-data` body (RFC 7578) that ends with one file: what stands before its bytes, and what after them. Names are escaped as browsers
 * do (HTML, "multipart/form-data encoding algorithm"). `boundary` must not occur in what it parts.
 */
export function multipartFrame(
  boundary: string,
  fields: readonly FormField[],
  file: { readonly field: string; readonly name: string; readonly type: string },
): { readonly contentType: string; readonly head: Buffer; readonly tail: Buffer } {
  const part = (name: string, more: string) =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(name)}"${more}\r\n`
  const head = [
    ...fields.map(([name, value]) => `${part(name, '')}\r\n${value}\r\n`),
    `${part(file.field, `; filename="${escaped(file.name)}"`)}content-type: ${file.type}\r\n\r\n`,
  ]
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    head: Buffer.from(head.join('')),
    tail: Buffer.from(`\r\n--${boundary}--\r\n`),
  }
}

const escapes: Readonly<Record<string, string>> = { '"': '%22', '\r': '%0D', '\n': '%0A' }
const escaped = (text: string): string => text.replaceAll(/["\r\n]/g, (c) => escapes[c] ?? c)
