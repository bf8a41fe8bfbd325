import { request } from 'node:http'
import { once } from 'node:events'
import { line } from './lines.ts'
import type { Door } from './wire.ts'

export const megabytes = 1024 * 1024

const head =
  '--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="big.jsonl"\r\n\r\n'
const tail = '\r\n--b--\r\n'

export interface BigForm {
  readonly bytes: number
  readonly chunks: () => Iterable<Buffer>
}

/** A multipart form with a file of exactly so many bytes, in good chat lines: 50,000 of them unless said otherwise. Made while it is sent. */
export function bigForm({ bytes, lines = 50_000, script = '' }: { bytes: number; lines?: number; script?: string }): BigForm {
  const lineBytes = Math.floor(bytes / lines)
  const shortest = Buffer.byteLength(`${line('l00000000', script)}\n`)
  if (lineBytes < shortest) throw new Error(`${bytes} bytes are too few for ${lines} lines`)
  return {
    bytes: Buffer.byteLength(head) + bytes + Buffer.byteLength(tail),
    *chunks() {
      yield Buffer.from(head)
      for (let i = 0; i < lines;) {
        let chunk = ''
        for (; i < lines && chunk.length < megabytes; i++) {
          const padding = (i === lines - 1 ? bytes - lineBytes * (lines - 1) : lineBytes) - shortest
          chunk += `${line(`l${String(i).padStart(8, '0')}`, script + 'x'.repeat(padding))}\n`
        }
        yield Buffer.from(chunk)
      }
      yield Buffer.from(tail)
    },
  }
}

/** Sends a form as fast as it is taken. A server may answer and close before it has read all: then that answer counts. */
export async function streamForm(
  { baseUrl, key }: Door,
  form: BigForm,
  { chunked }: { chunked: boolean },
): Promise<{ status: number; text: string }> {
  const upload = request(`${baseUrl}/v1/files`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'multipart/form-data; boundary=b',
      ...(chunked ? {} : { 'content-length': form.bytes }),
    },
  })
  const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
    upload.on('error', reject)
    upload.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
  })
  let answered = false
  const settled = answer.then(
    () => (answered = true),
    () => (answered = true),
  )
  for (const chunk of form.chunks()) {
    if (!upload.write(chunk)) await Promise.race([once(upload, 'drain').catch(() => {}), settled])
    if (answered) break
  }
  if (!answered) upload.end()
  return answer.finally(() => upload.destroy())
}
