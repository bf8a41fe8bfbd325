import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { Client, type buildConnector } from 'undici'
import { codeOf } from './failure.ts'
import { ProxyTrouble } from './proxy-trouble.ts'

export interface Proxy {
  readonly origin: string
  /** What it wants to hear of every request. */
  readonly headers: Readonly<Record<string, string>>
}

/** From its address, which may hold a user and a password. */
export function readProxy(address: string): Proxy {
  const { origin, username, password } = new URL(address)
  const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  return { origin, headers: username === '' ? {} : { 'proxy-authorization': `Basic ${secret}` } }
}

/** Connections that are opened through a proxy by CONNECT; within them `secure` speaks TLS with the backend. */
export const tunnel =
  (proxy: Proxy, secure: buildConnector.connector, connectMs: number): buildConnector.connector =>
  (options, callback) => {
    const { host = options.hostname, port } = options
    openTunnel(proxy, port === '' ? `${host}:443` : host, connectMs).then(
      (socket) => secure({ ...options, httpSocket: socket as Socket }, callback),
      (error: unknown) => callback(troubleOf(error), null),
    )
  }

/**
 * NOTE: not undici's `ProxyAgent`. It keeps its connections to itself, while a slot has to know when its own was opened; it wraps the handler of each request,
 * while a slot has one for all; and it asks for a tunnel to an http backend too, which most proxies refuse.
 */
async function openTunnel({ origin, headers }: Proxy, authority: string, connectMs: number): Promise<Duplex> {
  const client = new Client(origin, { connectTimeout: connectMs })
  try {
    const signal = AbortSignal.timeout(connectMs)
    const { statusCode, socket } = await client.connect({ path: authority, headers: { host: authority, ...headers }, signal })
    if (statusCode >= 200 && statusCode < 300) return socket
    socket.on('error', () => {}).destroy()
    throw new ProxyTrouble(`its proxy answers ${statusCode} to CONNECT${reasons[statusCode] ?? ''}`, '')
  } finally {
    void client.destroy()
  }
}

const reasons: Readonly<Record<number, string>> = {
  403: ': it does not lead there',
  407: ': it wants a user and a password',
  502: ': it cannot reach the backend',
  503: ': it cannot reach the backend',
  504: ': it cannot reach the backend in time',
}

/** The same connector, whose failures are the proxy's. */
export const blaming =
  (connect: buildConnector.connector): buildConnector.connector =>
  (options, callback) =>
    connect(options, (...[error, socket]) => (error ? callback(troubleOf(error), null) : callback(null, socket as Socket)))

function troubleOf(error: unknown): ProxyTrouble {
  if (error instanceof ProxyTrouble) return error
  const late = error instanceof Error && error.name === 'TimeoutError'
  const code = late ? 'UND_ERR_CONNECT_TIMEOUT' : codeOf(error)
  return new ProxyTrouble(`its proxy cannot be reached: ${code || 'unknown'}`, code, { cause: error })
}
