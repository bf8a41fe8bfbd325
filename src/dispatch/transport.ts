import { Pool, type Dispatcher as Undici } from 'undici'
import type { Outcome } from '../domain/outcome.ts'
import { stopReason } from '../domain/stop.ts'
import type { Clock } from '../kit/clock.ts'
import { judge, readHead, unpacked, type Head } from './answer.ts'
import type { BackendSettings, DispatchSettings } from './feed.ts'

/** One attempt on its way. Aborting it closes its connection; `done` is called once all the same. */
export interface Call {
  abort(reason: unknown): void
}

/** Sends to one backend. */
export interface Transport {
  send(path: string, body: Buffer, signal: AbortSignal, done: (outcome: Outcome, sawBytes: boolean) => void): Call
  /** GET, for discovery. Gives status and body, bounded. */
  get(path: string, signal: AbortSignal): Promise<{ status: number; body: string }>
  close(): Promise<void>
}

export type OpenTransport = (backend: BackendSettings, settings: DispatchSettings, clock: Clock) => Transport

const discoverTimeoutMs = 10_000
const discoverBytes = 4 * 1024 * 1024
const checkAnswersEveryMs = 1000

/** Trouble that is this machine's: no file descriptor, no port, no DNS, no memory (design 6). */
const ours = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EAI_AGAIN'])
const connectTimeouts = new Set(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'])

export const openTransport: OpenTransport = (backend, settings, clock) => {
  const url = new URL(backend.url)
  const prefix = url.pathname.replace(/\/v1\/?$/, '').replace(/\/$/, '')
  const pool = new Pool(url.origin, {
    connections: backend.maxInFlight,
    pipelining: 1,
    connect: { timeout: settings.connectTimeoutMs },
    headersTimeout: settings.firstByteTimeoutMs,
    bodyTimeout: settings.answerTimeoutMs,
  })
  const common = ['user-agent', 'nightshift', 'accept-encoding', 'identity', ...Object.entries(backend.headers).flat()]
  if (backend.key !== null) common.push('authorization', `Bearer ${backend.key}`)
  const headers = [...common, 'content-type', 'application/json']
  const flights = new Set<Flight>()
  const checking = setInterval(() => {
    const now = clock.monotonic()
    for (const flight of flights) if (now - flight.sentAt >= settings.answerTimeoutMs) flight.outOfTime()
  }, checkAnswersEveryMs).unref()

  return {
    send(path, body, signal, done) {
      const flight = new Flight(flights, signal, settings.maxAnswerBytes, clock, done)
      if (signal.aborted) flight.abort(signal.reason)
      else pool.dispatch({ path: prefix + path, method: 'POST', headers, body }, flight)
      return flight
    },
    async get(path, signal) {
      const answer = await pool.request({
        path: prefix + path,
        method: 'GET',
        headers: common,
        headersTimeout: discoverTimeoutMs,
        bodyTimeout: discoverTimeoutMs,
        signal: AbortSignal.any([signal, AbortSignal.timeout(discoverTimeoutMs)]),
      })
      const chunks: Buffer[] = []
      let bytes = 0
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        bytes += chunk.length
        if (bytes > discoverBytes) throw new Error(`the answer to GET ${path} is larger than ${discoverBytes} bytes`)
        chunks.push(chunk)
      }
      return { status: answer.statusCode, body: Buffer.concat(chunks).toString('utf8') }
    },
    async close() {
      clearInterval(checking)
      await pool.destroy()
    },
  }
}

/**
 * A handler in undici's raw form, one object a call: no closure, no promise and no parsed headers on the way of a line (measured: the raw form takes a fifth
 * less than `request`). A class because undici calls its methods.
 */
class Flight implements Undici.DispatchHandler, Call {
  readonly sentAt: number
  private readonly flights: Set<Flight>
  private readonly signal: AbortSignal
  private readonly limitBytes: number
  private readonly clock: Clock
  private readonly done: (outcome: Outcome, sawBytes: boolean) => void
  private close: ((error?: Error) => void) | null = null
  private reached = false
  private late = false
  private ended = false
  private status = 0
  private head: Head | null = null
  private chunks: Buffer[] = []
  private bytes = 0

  constructor(
    flights: Set<Flight>,
    signal: AbortSignal,
    limitBytes: number,
    clock: Clock,
    done: (outcome: Outcome, sawBytes: boolean) => void,
  ) {
    this.flights = flights
    this.signal = signal
    this.limitBytes = limitBytes
    this.clock = clock
    this.done = done
    this.sentAt = clock.monotonic()
    flights.add(this)
  }

  abort(reason: unknown): void {
    if (this.close) this.close(reason instanceof Error ? reason : new Error('aborted'))
    else this.end({ kind: 'stopped', why: stopReason(this.signal) })
  }

  outOfTime(): void {
    this.late = true
    if (this.close) this.close(new Error('out of time'))
    else this.end({ kind: 'timeout', phase: 'connect' })
  }

  onConnect(close: (error?: Error) => void): void {
    if (this.ended || this.signal.aborted) return close()
    this.close = close
    this.reached = true
  }

  onHeaders(status: number, raw: Buffer[]): boolean {
    if (status < 200) return true
    this.status = status
    this.head = readHead(raw, () => this.clock.now())
    return true
  }

  onData(chunk: Buffer): boolean {
    this.bytes += chunk.length
    if (this.bytes > this.limitBytes) {
      this.end({ kind: 'too-large', limitBytes: this.limitBytes })
      this.close?.(new Error('the answer is too large'))
      return false
    }
    this.chunks.push(chunk)
    return true
  }

  onComplete(): void {
    const { head } = this
    if (this.ended || !head) return
    if (head.encoding === null) this.end(judge(this.status, head, this.chunks))
    else void this.unpack(head, head.encoding)
  }

  onError(error: Error): void {
    this.end(this.outcomeOf(error))
  }

  private async unpack(head: Head, encoding: string): Promise<void> {
    const body = await unpacked(encoding, this.chunks, this.limitBytes)
    if (body === 'too-large') this.end({ kind: 'too-large', limitBytes: this.limitBytes })
    else
      this.end(
        body
          ? judge(this.status, head, [body])
          : { kind: 'garbage', message: `The model answered with content-encoding ${encoding}, which cannot be read.` },
      )
  }

  private outcomeOf(error: Error): Outcome {
    if (this.signal.aborted) return { kind: 'stopped', why: stopReason(this.signal) }
    const code = 'code' in error ? String(error.code) : ''
    if (this.late || code === 'UND_ERR_BODY_TIMEOUT') return { kind: 'timeout', phase: 'answer' }
    if (code === 'UND_ERR_HEADERS_TIMEOUT') return { kind: 'timeout', phase: 'first-byte' }
    if (ours.has(code)) return { kind: 'ours', message: code }
    if (this.reached) return { kind: 'broken', message: code }
    return connectTimeouts.has(code)
      ? { kind: 'timeout', phase: 'connect' }
      : { kind: 'unreachable', message: code || error.name }
  }

  private end(outcome: Outcome): void {
    if (this.ended) return
    this.ended = true
    this.flights.delete(this)
    this.done(outcome, this.head !== null)
  }
}
