/** How connections are served: with TLS or without, within what time and number, and what every answer says of itself. */
import type { Server as HttpServer } from 'node:http'
import type { Server } from 'node:https'
import type { FastifyInstance } from 'fastify'
import type { TlsPair } from '../domain/tls-pair.ts'
import type { Clock } from '../kit/clock.ts'
import type { Log } from '../kit/log.ts'

export interface Serving {
  /** null: plain HTTP. */
  readonly tls: TlsPair | null
  /** Connections beyond it are closed as they come. */
  readonly maxConnections: number
  /** How long a client may take for a handshake, and for the head of a request. */
  readonly headerMs: number
  /** Addresses of proxies that are believed when they say for whom they ask. */
  readonly proxies: readonly string[]
}

const minVersion = 'TLSv1.2'

/** Options for the server that fastify makes. */
export function serverOptions({ tls, headerMs }: Serving): { https?: object; http?: object } {
  const head = {
    requireHostHeader: false, // NOTE: Node would refuse without envelope and request id
    headersTimeout: headerMs,
    connectionsCheckingInterval: Math.min(1000, headerMs / 4),
  }
  return tls ? { https: { ...head, ...tls, minVersion, handshakeTimeout: headerMs } } : { http: head }
}

export function limitConnections({ server }: FastifyInstance, { maxConnections }: Serving): void {
  const counted = server as HttpServer
  counted.maxConnections = maxConnections
}

const hstsSeconds = 365 * 24 * 3600

/** What browsers are told: take nothing for what it is not, keep no copy, run and frame nothing. `cache-control` is for those that say nothing else. */
export const safeHeaders = ({ tls }: Pick<Serving, 'tls'>): Readonly<Record<string, string>> => ({
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  ...(tls && { 'strict-transport-security': `max-age=${hstsSeconds}` }),
})

const lookEveryMs = 60_000

/** Shows a certificate that was renewed to those who connect from then on. One that cannot be read is told, and the old one stays. */
export async function renewCertificate(
  server: Pick<Server, 'setSecureContext'>,
  shown: TlsPair,
  { read, clock, log }: { readonly read: () => TlsPair | null; readonly clock: Clock; readonly log: Log },
  signal: AbortSignal,
): Promise<void> {
  let now = shown
  for (;;) {
    await clock.sleep(lookEveryMs, signal)
    if (signal.aborted) return
    try {
      const pair = read()
      if (!pair || (pair.cert === now.cert && pair.key === now.key)) continue
      server.setSecureContext({ ...pair, minVersion })
      now = pair
      log.info('a renewed certificate is shown')
    } catch (error) {
      log.warn('the certificate cannot be renewed; the old one is shown', { error })
    }
  }
}
