import { invalidData, notAllowed, tooLarge } from '../../domain/fetch-error.ts'
import { defaultLimits, type Content, type OpenAddress } from './content.ts'

export const isDataAddress = (text: string): boolean => /^data:/i.test(text)

/** Opens no other address. */
export const dataOnly: OpenAddress = async (address) => {
  if (!isDataAddress(address)) throw notAllowed('The address', 'only data: addresses are')
  return openData(address, defaultLimits.maxBytes)
}

/** A multiple of four: so much of base64 is decoded at a time. */
const sliceLength = 64 * 1024

/** What a `data:` address holds (RFC 2397), base64 or percent-encoded. Throws a `FetchError`; too much is refused before it is decoded. */
export function openData(address: string, maxBytes: number): Content {
  const comma = address.indexOf(',')
  if (!isDataAddress(address) || comma < 0) throw invalidData('there is no comma after its type')
  const head = address.slice('data:'.length, comma)
  const isBase64 = /;\s*base64\s*$/i.test(head)
  const contentType = head.replace(/;\s*base64\s*$/i, '').trim()
  const { bytes, size } = isBase64 ? base64(address.slice(comma + 1), maxBytes) : percent(address, comma + 1, maxBytes)
  return { bytes, contentType: contentType === '' ? 'text/plain;charset=US-ASCII' : contentType, name: null, size }
}

function base64(text: string, maxBytes: number) {
  const written = text.includes('%') ? unescaped(Buffer.from(text)).toString('latin1') : text
  const digits = /[\s=]/.test(written) ? written.replaceAll(/\s/g, '').replace(/={1,2}$/, '') : written
  const size = Math.floor((digits.length * 3) / 4)
  if (size > maxBytes) throw tooLarge('The data: address', maxBytes)
  if (digits.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(digits)) throw invalidData('its content is not base64')
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < digits.length; at += sliceLength) yield Buffer.from(digits.slice(at, at + sliceLength), 'base64')
  }
  return { bytes: bytes(), size }
}

function percent(address: string, from: number, maxBytes: number) {
  const all = unescaped(Buffer.from(address.slice(from)))
  if (all.length > maxBytes) throw tooLarge('The data: address', maxBytes)
  async function* bytes(): AsyncGenerator<Uint8Array> {
    if (all.length > 0) yield all
  }
  return { bytes: bytes(), size: all.length }
}

/** Percent-decoding in place; what is no escape stays. */
function unescaped(bytes: Buffer): Buffer {
  let to = 0
  for (let from = 0; from < bytes.length; from++) {
    const byte = bytes[from] ?? 0
    const value = byte === 0x25 ? hexAt(bytes, from + 1) : null
    bytes[to++] = value ?? byte
    if (value !== null) from += 2
  }
  return bytes.subarray(0, to)
}

function hexAt(bytes: Buffer, at: number): number | null {
  const digits = bytes.toString('latin1', at, at + 2)
  return /^[0-9a-f]{2}$/i.test(digits) ? Number.parseInt(digits, 16) : null
}
