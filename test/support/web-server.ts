import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { systemDial, type Dial, type Place } from '../../src/dispatch/fetch/dial.ts'

/** A web server of a test. */
export interface WebServer {
  readonly port: number
  /** Connections so far. */
  readonly connections: number
  /** Sockets that are open. */
  readonly open: ReadonlySet<Socket>
  /** Resolves when no socket is open. */
  quiet(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function webServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  host = '127.0.0.1',
): Promise<WebServer> {
  const open = new Set<Socket>()
  let connections = 0
  const server = createServer(answer).on('connection', (socket) => {
    connections++
    open.add(socket)
    socket.on('error', () => {}).on('close', () => open.delete(socket))
  })
  server.listen(0, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    open,
    async quiet() {
      for (const socket of open) await new Promise((resolve) => socket.once('close', resolve))
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Takes every connection to the server of the test, whatever place was meant; the places are told. */
export function dialTo(server: WebServer, places: Place[] = []): Dial {
  return (place, signal) => {
    places.push(place)
    return systemDial({ ...place, address: '127.0.0.1', port: server.port, secure: false }, signal)
  }
}
