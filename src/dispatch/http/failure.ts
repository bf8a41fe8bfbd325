import { FetchError, mayPass } from '../../domain/fetch-error.ts'
import type { Outcome } from '../../domain/outcome.ts'
import { ProxyTrouble } from './proxy-trouble.ts'
import { refusesUs, tlsTrouble } from './tls-trouble.ts'

/** Trouble of this machine: out of file descriptors, ports, memory, or no DNS. Never a line's failure, and never the backend's. */
const ours = new Set([
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EADDRNOTAVAIL',
  'EAGAIN',
  'EAI_AGAIN',
  'EAI_MEMORY',
  'UND_ERR_INVALID_ARG',
])
const late = new Set(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'])

/** What is sent could not be read to its end: it is no fault of the backend, nor of the line. */
export class OurTrouble extends Error {
  override name = 'OurTrouble'
}

/** What an error of the transport means for the line. `written`: the request was handed to a connection. */
export function outcomeOf(error: unknown, written: boolean): Outcome {
  if (error instanceof FetchError) return unfetched(error)
  if (error instanceof OurTrouble) return { kind: 'ours', of: 'content', message: error.message }
  const ofProxy = error instanceof ProxyTrouble
  const code = ofProxy ? error.reason : codeOf(error)
  const message = ofProxy ? error.message : (tlsTrouble(code) ?? (code || nameOf(error)))
  if (ours.has(code)) return { kind: 'ours', message }
  if (written && !refusesUs(code)) return { kind: 'broken', message }
  return late.has(code) ? { kind: 'timeout', phase: 'connect' } : { kind: 'unreachable', message }
}

/** What a line names cannot be had. */
export const unfetched = (error: FetchError): Outcome => ({
  kind: 'unfetched',
  code: error.code,
  message: error.message,
  passing: mayPass(error),
})

/** Did the other side close the connection? A reused one may have been closed before our request reached it. */
export function wasClosed(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

/** The code of an error of the system, of DNS, of TLS or of undici; empty: it has none. */
export const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : ''
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'unknown')
