import type { IncomingMessage, ServerResponse } from 'node:http'
import { webServer } from './web-server.ts'

/** A form as an inference server got it. */
export interface HeardForm {
  readonly path: string
  readonly length: string | null
  readonly fields: readonly (readonly [string, string])[]
  readonly file: { readonly field: string; readonly name: string; readonly type: string; readonly bytes: Buffer }
}

/** A fake of an inference server that hears audio: takes whole forms apart with the parser that Node has, and answers what it is told to. */
export async function audioBackend(answer: (form: HeardForm, response: ServerResponse) => void) {
  const heard: HeardForm[] = []
  const server = await webServer((request, response) => {
    void formIn(request).then(
      (form) => {
        heard.push(form)
        answer(form, response)
      },
      () => response.destroy(),
    )
  })
  return { ...server, url: `http://127.0.0.1:${server.port}`, heard }
}

async function formIn(request: IncomingMessage): Promise<HeardForm> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const headers = { 'content-type': request.headers['content-type'] ?? '' }
  const entries = [...(await new Response(Buffer.concat(chunks), { headers }).formData()).entries()]
  const fields = entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  const [field, file] = entries.find(([, value]) => typeof value !== 'string') ?? []
  if (field === undefined || typeof file !== 'object') throw new Error('no file')
  return {
    path: request.url ?? '',
    length: request.headers['content-length'] ?? null,
    fields,
    file: { field, name: file.name, type: file.type, bytes: Buffer.from(await file.arrayBuffer()) },
  }
}
