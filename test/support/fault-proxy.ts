/** Stands before an HTTP server and does to chosen requests what networks and servers do. */
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Fault =
  /** The connection breaks after so many bytes of the answer's body. */
  | { readonly kind: 'break'; readonly after: number }
  /** Nothing more comes after so many bytes, and nothing ends. */
  | { readonly kind: 'stall'; readonly after: number }
  /** The request goes on so much later, and its end is told. */
  | { readonly kind: 'late'; readonly ms: number; readonly over: () => void }
  /** Another answer than the server's. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly body?: string
      readonly headers?: Readonly<Record<string, string>>
    }

/** What happens to a request; null: nothing. */
export type Faults = (request: { readonly method: string; readonly path: string; readonly range: string | null }) => Fault | null

export interface FaultProxy extends AsyncDisposable {
  readonly url: string
  /** Every request that came, as `METHOD path range`. */
  readonly seen: string[]
  faults: Faults
}

export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target)
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    const range = headers.range ?? null
    proxy.seen.push([method, url, range].filter(Boolean).join(' '))
    const fault = proxy.faults({ method, path: url, range })
    if (fault?.kind === 'answer') return answer(request, response, fault)
    const onward = ask({ hostname, port, method, path: url, headers }, (answered) => pass(answered, response, fault))
    onward.on('error', () => response.destroy())
    if (fault?.kind !== 'late') return void request.pipe(onward)
    onward.on('close', fault.over)
    setTimeout(() => request.pipe(onward), fault.ms)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    faults: () => null,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, body = '', headers = {} }: Extract<Fault, { kind: 'answer' }>,
): void {
  request.resume()
  response.writeHead(status, { 'content-type': 'application/xml', ...headers })
  response.end(request.method === 'HEAD' ? '' : body)
}

function pass(answered: IncomingMessage, response: ServerResponse, fault: Exclude<Fault, { kind: 'answer' }> | null): void {
  response.writeHead(answered.statusCode ?? 500, answered.headers)
  if (!fault || fault.kind === 'late') return void answered.pipe(response)
  let left = fault.after
  answered.on('data', (chunk: Buffer) => {
    const some = chunk.subarray(0, left)
    left -= some.length
    if (left > 0) return void response.write(some)
    answered.removeAllListeners('data')
    answered.pause()
    response.write(some, () => fault.kind === 'break' && response.destroy())
  })
}

export const s3Error = (code: string, more = ''): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>as told</Message>${more}</Error>`
