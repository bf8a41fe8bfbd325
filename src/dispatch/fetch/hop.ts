import type { Readable } from 'node:stream'
import { Client } from 'undici'
import { FetchError, unreachable } from '../../domain/fetch-error.ts'
import { checkResolved, type FetchRules, type Target } from '../../domain/fetch-rules.ts'
import { parseIp } from '../../domain/public-address.ts'
import type { Clock } from '../../kit/clock.ts'
import { codeOf, outcomeOf } from '../http/failure.ts'
import type { Dial } from './dial.ts'
import type { Resolve } from './lookup.ts'
import { startWatch, type Watch } from './watch.ts'

export interface HopParts {
  readonly rules: FetchRules
  /** Milliseconds to connect to one address of a name. */
  readonly connectMs: number
  readonly clock: Clock
  readonly resolve: Resolve
  readonly dial: Dial
}

/** What is posted. */
export interface Sent {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a server answered: its head has come, its body is still on the way. */
export interface Answer {
  readonly status: number
  header(name: string): string | null
  readonly body: Readable
  /** Closes the connection. */
  close(): void
}

/** Of a name with many addresses so many are tried. */
const maxTries = 3

/**
 * One request. The name is looked up once, every address is checked, and the connection is opened to one that was checked, before undici hears of it: it is given
 * the open socket, one `Client` a request, and no way to open another. It closes when the watch ends.
 */
export async function ask(target: Target, parts: HopParts, watch: Watch, sent: Sent | null = null): Promise<Answer> {
  const socket = await dialAny(target, await addressesOf(target, parts, watch), parts, watch)
  let unused: typeof socket | null = socket
  const client = new Client(target.origin, {
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect(_options, told) {
      const given = unused
      unused = null
      // NOTE: not at once: undici does not expect the connection before it has asked for it
      queueMicrotask(() => (given ? told(null, given) : told(new Error('one connection a request'), null)))
    },
  })
  const close = () => {
    watch.signal.removeEventListener('abort', close)
    void client.destroy()
    socket.destroy()
  }
  if (watch.signal.aborted) close()
  else watch.signal.addEventListener('abort', close, { once: true })
  try {
    const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'nightshift', ...sent?.headers }
    const how = sent ? ({ method: 'POST', body: sent.body } as const) : ({ method: 'GET' } as const)
    const answer = await watch.waitFor(client.request({ ...how, path: target.path, headers, reset: true }))
    answer.body.on('error', () => {}) // NOTE: whoever reads it hears of it; if nobody does, nobody shall
    return { status: answer.statusCode, header: (name) => first(answer.headers[name]), body: answer.body, close }
  } catch (error) {
    close()
    throw failureOf(error, target, watch)
  }
}

async function addressesOf(target: Target, { resolve, rules }: HopParts, watch: Watch): Promise<readonly string[]> {
  if (parseIp(target.host) !== null) return [target.host] // NOTE: checked with the rules when it was parsed
  try {
    const addresses = await watch.waitFor(resolve(target.host, target.granted, watch.signal))
    if (addresses.length === 0) throw unreachable(target.origin, 'its name has no address')
    checkResolved(target, addresses, rules)
    return addresses
  } catch (error) {
    throw failureOf(error, target, watch)
  }
}

async function dialAny(target: Target, addresses: readonly string[], { dial, connectMs, clock }: HopParts, watch: Watch) {
  let failure: unknown
  for (const address of addresses.slice(0, maxTries)) {
    const late = () => Object.assign(new Error('connect time-out'), { code: 'ETIMEDOUT' })
    const limit = startWatch({ totalMs: connectMs, stallMs: connectMs }, clock, watch.signal, late)
    const place = {
      address,
      port: target.port,
      secure: target.secure,
      servername: parseIp(target.host) === null ? target.host : null,
    }
    try {
      return await limit.waitFor(dial(place, limit.signal))
    } catch (error) {
      // NOTE: on a machine without IPv6 this is what its addresses come to, and not a lack of ports
      failure = address.includes(':') && codeOf(error) === 'EADDRNOTAVAIL' ? unreachable(target.origin, 'EADDRNOTAVAIL') : error
      if (watch.signal.aborted) break
    } finally {
      limit.end()
    }
  }
  throw failureOf(failure, target, watch)
}

/** What is thrown for an error of a socket, of DNS or of undici. Trouble of our own (out of sockets or memory) is nobody's address, and stays what it is. */
export function failureOf(error: unknown, target: Target, watch: Watch, told = unreachable): unknown {
  if (watch.signal.aborted) return watch.signal.reason
  if (error instanceof FetchError) return error
  const outcome = outcomeOf(error, false)
  if (outcome.kind === 'ours') return new Error(`no connection could be opened: ${outcome.message}`, { cause: error })
  return told(target.origin, outcome.kind === 'unreachable' ? outcome.message : 'ETIMEDOUT')
}

const first = (value: string | string[] | undefined): string | null => (Array.isArray(value) ? value[0] : value) ?? null
