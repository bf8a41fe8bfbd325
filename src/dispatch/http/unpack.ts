import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { codeOf } from './failure.ts'

const inflaters: Readonly<Record<string, (packed: Buffer, options: { maxOutputLength: number }) => Buffer>> = {
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
}

/**
 * Backends are asked not to compress; some proxies do so all the same. What cannot be unpacked stays as it is: it is not JSON then, which says enough; but of what ends too soon
 * the rest may come another time.
 */
export function unpack(encoding: string, chunks: Buffer[], maxBytes: number): Buffer[] | 'too-large' | 'cut-off' {
  const inflate = inflaters[encoding]
  if (!inflate || chunks.length === 0) return chunks // NOTE: answers without a body keep the header now and then
  try {
    return [inflate(Buffer.concat(chunks), { maxOutputLength: maxBytes })]
  } catch (error) {
    if (error instanceof RangeError) return 'too-large'
    return codeOf(error) === 'Z_BUF_ERROR' ? 'cut-off' : chunks
  }
}
