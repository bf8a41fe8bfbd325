import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Heard {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A server of a customer, which is told of batches: what came to it, and what it answers. */
export interface Listener extends AsyncDisposable {
  readonly url: string
  readonly port: string
  readonly heard: readonly Heard[]
  /** From now on; null: nothing, and the connection stays open. */
  answer(status: number | null, headers?: Readonly<Record<string, string>>): void
}

export async function startListener(): Promise<Listener> {
  const heard: Heard[] = []
  let status: number | null = 204
  let answerHeaders: Readonly<Record<string, string>> = {}
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const headers = request.headers as Record<string, string>
      heard.push({ path: request.url ?? '', headers, body: Buffer.concat(chunks).toString() })
      if (status !== null) response.writeHead(status, answerHeaders).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = String((server.address() as AddressInfo).port)
  return {
    url: `http://127.0.0.1:${port}/hook?secret=in-the-query`,
    port,
    heard,
    answer(next, headers = {}) {
      status = next
      answerHeaders = headers
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
