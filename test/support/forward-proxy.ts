import { createServer, request as send, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import { listen } from './open-wire.ts'

export interface ForwardProxyOptions {
  /** Where the names lead that it is asked for, `host:port` to a port of this machine. */
  readonly leads: Readonly<Record<string, number>>
  /** It takes nobody else. */
  readonly user?: string
  /** What it answers instead of what it should; 'nothing': it keeps the connection open; 'end': it closes it. */
  readonly instead?: number | 'nothing' | 'end'
}

/** A forward proxy as they are: CONNECT for tunnels, whole addresses for http. `seen`: the first lines of what it was asked. */
export async function forwardProxy({ leads, user, instead }: ForwardProxyOptions) {
  const seen: string[] = []
  const sockets = new Set<Duplex>()
  const wanted = user === undefined ? undefined : `Basic ${Buffer.from(user).toString('base64')}`
  const refusal = ({ headers }: IncomingMessage): typeof instead =>
    instead ?? (headers['proxy-authorization'] === wanted ? undefined : 407)
  const see = ({ method, url, headers }: IncomingMessage) => seen.push(`${method} ${url} host=${headers.host}`)

  const server = createServer((request, response) => {
    see(request)
    const no = refusal(request)
    if (no === 'nothing') return
    if (no === 'end') return void request.socket.destroy()
    if (no !== undefined) return void response.writeHead(no, { 'content-type': 'text/html' }).end('<h1>no</h1>')
    const { host, pathname } = new URL(request.url ?? '')
    const { 'proxy-authorization': _, ...headers } = request.headers
    const onward = send({ host: '127.0.0.1', port: leads[host], path: pathname, method: request.method, headers }, (answer) =>
      answer.pipe(response.writeHead(answer.statusCode ?? 0, answer.headers)),
    )
    onward.on('error', () => response.writeHead(502).end('<h1>Bad gateway</h1>'))
    request.pipe(onward)
  })
  server.on('connect', (request, socket, head) => {
    see(request)
    sockets.add(socket.on('error', () => {}))
    const no = refusal(request)
    if (no === 'nothing') return void socket.resume().on('end', () => socket.end())
    if (no === 'end') return void socket.destroy()
    if (no !== undefined) return void socket.end(`HTTP/1.1 ${no} No\r\ncontent-length: 11\r\n\r\n<h1>no</h1>`)
    const onward: Socket = connect(leads[request.url ?? ''] ?? 1, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      onward.write(head)
      onward.pipe(socket).pipe(onward)
    })
    sockets.add(onward)
    onward.on('error', () => socket.end('HTTP/1.1 502 Bad gateway\r\n\r\n'))
  })
  const port = await listen(server)
  onTestFinished(() => {
    server.closeAllConnections()
    for (const socket of sockets) socket.destroy()
  })
  return { url: `http://127.0.0.1:${port}`, port, seen, sockets }
}
