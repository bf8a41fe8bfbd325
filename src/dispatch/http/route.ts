import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { buildConnector } from 'undici'
import type { Outcome } from '../../domain/outcome.ts'
import type { BackendSettings } from '../feed.ts'
import { codeOf } from './failure.ts'
import { refusesUs } from './tls-trouble.ts'
import { blaming, readProxy, tunnel } from './tunnel.ts'

/** The way to a backend. One for all its connections, which share TLS sessions. */
export interface Route {
  /** Where connections lead: to the backend, or to a proxy that is asked for whole addresses. */
  readonly origin: string
  readonly connect: buildConnector.connector
  /** What stands before `/v1/...`. */
  readonly prefix: string
  /** What every request says for it. */
  readonly headers: Readonly<Record<string, string>>
  /** Is there a proxy that may answer itself? */
  readonly proxied: boolean
}

/** Over http a proxy is asked for whole addresses, as proxies expect it; over https it opens a tunnel to the backend. */
export function routeTo({ url, tls, proxy = null }: Pick<BackendSettings, 'url' | 'tls' | 'proxy'>, connectMs: number): Route {
  const { origin, prefix } = placeOf(url)
  const secure = origin.startsWith('https:')
  const connect = secure ? secureConnector(tls, connectMs) : buildConnector({ timeout: connectMs })
  if (proxy === null) return { origin, connect, prefix, headers: {}, proxied: false }
  const through = readProxy(proxy)
  if (secure) return { origin, connect: tunnel(through, connect, connectMs), prefix, headers: {}, proxied: false }
  return {
    origin: through.origin,
    connect: blaming(buildConnector({ timeout: connectMs })),
    prefix: origin + prefix,
    headers: { host: new URL(origin).host, ...through.headers },
    proxied: true,
  }
}

function secureConnector(tls: BackendSettings['tls'], connectMs: number): buildConnector.connector {
  const { ca, cert, key } = tls ?? {}
  const secureContext = createSecureContext({ ...(ca && { ca }), ...(cert && key && { cert, key }) }) // NOTE: costs a parse of all authorities
  const connect = buildConnector({ timeout: connectMs, secureContext })
  return (options, callback) =>
    connect(options, (...[error, socket]) => {
      if (error) return callback(error, null)
      callback(null, withReason(socket as Socket))
    })
}

/** Who refuses our certificate in TLS 1.3 does so when the connection stands: that is the reason, and not that the connection ends. */
const withReason = (socket: Socket): Socket =>
  socket.on('error', (error) => {
    if (refusesUs(codeOf(error))) socket.destroy(error)
  })

/** A proxy that wants to know who we are has asked no backend. Of its other answers nobody can tell whose they are. */
export const proxyRefused = (outcome: Outcome): Outcome =>
  outcome.kind === 'answered' && outcome.status === 407
    ? { kind: 'unreachable', message: 'its proxy answers 407: it wants a user and a password' }
    : outcome

/** `http://host:8000/openai/v1` -> where to connect, and what stands before `/v1/...`. */
export function placeOf(url: string): { origin: string; prefix: string } {
  const { origin, pathname } = new URL(url)
  return { origin, prefix: pathname.replace(/\/+$/, '').replace(/\/v1$/, '') }
}
