import { Client, type buildConnector, type Dispatcher as Undici } from 'undici'
import type { Outcome } from '../../domain/outcome.ts'
import type { Clock } from '../../kit/clock.ts'
import { breaksOff, contentTypeOf, readHead, type Head } from './answer.ts'
import { outcomeOf, wasClosed } from './failure.ts'
import { unpack } from './unpack.ts'

/** A call that is open. */
export interface Call {
  /** Closes its connection at once. Nothing is heard of it afterwards. */
  abort(): void
}

/** One connection, one call at a time. Opened when it is first used, reused while it is alive, opened again when it is not. */
export interface Slot<T> extends Call {
  /** It cannot be used again. */
  readonly dead: boolean
  /** Bytes that are made while they are sent can be sent once: only over a connection that has not been used. */
  send(sent: T, path: string, body: Buffer | AsyncIterable<Uint8Array> | null): void
  /** Ends the call if its time is over. */
  sweep(now: number): void
  close(): Promise<void>
}

/** Where a slot's connection leads, and how it is opened. */
export interface SlotPlace {
  readonly origin: string
  readonly connect: buildConnector.connector
}

export interface SlotLimits {
  readonly firstByteMs: number
  readonly answerMs: number
  readonly maxBytes: number
}

export interface SlotRequest {
  readonly method: 'GET' | 'POST'
  readonly headers: string[]
  /** Is the type of the answer asked for? */
  readonly typed?: boolean
}

/** Called in this order when a call is over; only the first when it was aborted. */
export interface SlotEnds<T> {
  freed(slot: Slot<T>): void
  ended(sent: T, outcome: Outcome): void
}

/** A reused connection that breaks so soon after the request was written, without a byte of an answer, was closed before the request reached it. */
const staleMs = 200

/**
 * NOTE: undici's raw handler (`onConnect` ... `onError`, deprecated in its types, gone in version 8) is what its newer form is made of: it spares an object of
 * parsed headers and a controller a call. One handler a slot: undici never calls it for an old request once a new one was dispatched, because a request that was
 * aborted or is complete is never heard of again. Time-outs are swept, not armed: with two of different length undici makes two timers a call.
 */
export function openSlot<T>(
  { origin, connect }: SlotPlace,
  { method, headers, typed = false }: SlotRequest,
  limits: SlotLimits,
  clock: Clock,
  ends: SlotEnds<T>,
): Slot<T> {
  const client = new Client(origin, { pipelining: 1, headersTimeout: 0, bodyTimeout: 0, connect })
  let state: 'idle' | 'dialing' | 'sent' | 'answering' = 'idle'
  let sent: T | undefined
  let request = { method, headers, path: '', body: null as Buffer | AsyncIterable<Uint8Array> | null }
  let hangUp: ((error: Error) => void) | undefined
  let dead = false
  /** Within `dispatch`: an error then must not end the call before `send` has returned. */
  let handing = false
  /** Calls on this connection so far. */
  let used = 0
  let excused = false
  let sentAt = 0
  let status = 0
  let head: Head | undefined
  let contentType: string | null = null
  let chunks: Buffer[] = []
  let bytes = 0
  /** Why we hung up. */
  let verdict: Outcome | undefined

  client.on('connect', () => {
    used = 0
  })

  function end(outcome: Outcome): void {
    const whose = sent
    sent = hangUp = head = verdict = undefined
    chunks = []
    bytes = 0
    state = 'idle'
    ends.freed(slot)
    if (whose === undefined) return
    try {
      ends.ended(whose, outcome)
    } catch (error) {
      queueMicrotask(() => {
        throw new Error('the end of a call could not be told', { cause: error }) // NOTE: undici would take it for the call's own error
      })
    }
  }

  function giveUp(outcome: Outcome): void {
    verdict = outcome
    hangUp?.(new Error('given up'))
  }

  function dispatch(): void {
    state = 'dialing'
    handing = true
    client.dispatch(request as Undici.DispatchOptions, handler) // NOTE: its types lack the async iterables that it takes
    handing = false
  }

  function answered(): Outcome {
    const { requestId = null, retryAfterMs = null, encoding = null, isDelimited = true } = head ?? {}
    const body = encoding === null ? chunks : unpack(encoding, chunks, limits.maxBytes)
    if (body === 'too-large') return { kind: 'too-large', limitBytes: limits.maxBytes }
    if (body === 'cut-off' || (!isDelimited && !typed && status < 300 && breaksOff(body)))
      return { kind: 'broken', message: 'the answer ended too soon' }
    return { kind: 'answered', status, requestId, retryAfterMs, body, ...(typed && { contentType }) }
  }

  const handler: Undici.DispatchHandler = {
    onConnect(abort) {
      hangUp = abort
      used++
      sentAt = clock.monotonic()
      state = 'sent'
    },
    onResponseStarted() {
      state = 'answering'
    },
    onHeaders(code, raw) {
      status = code
      if (code >= 200) head = readHead(raw, () => clock.now())
      if (typed) contentType = contentTypeOf(raw)
      return true
    },
    onData(chunk) {
      bytes += chunk.length
      if (bytes > limits.maxBytes) giveUp({ kind: 'too-large', limitBytes: limits.maxBytes })
      else chunks.push(chunk)
      return true
    },
    onComplete() {
      end(answered())
    },
    onError(error) {
      if (handing) return queueMicrotask(() => handler.onError?.(error))
      const stale = state === 'sent' && used > 1 && !excused && verdict === undefined && clock.monotonic() - sentAt < staleMs
      if (stale && sent !== undefined && wasClosed(error)) {
        excused = true
        return dispatch()
      }
      end(verdict ?? outcomeOf(error, state !== 'dialing'))
    },
  }

  const slot: Slot<T> = {
    get dead() {
      return dead
    },
    send(whose, path, body) {
      sent = whose
      request = { method, headers, path, body }
      excused = false
      dispatch()
    },
    abort() {
      if (state === 'idle') return
      sent = undefined
      if (state !== 'dialing') return giveUp({ kind: 'broken', message: 'aborted' })
      dead = true // NOTE: undici cannot take back a request that waits for its connection
      void client.destroy()
    },
    sweep(now) {
      if (state === 'sent' && now - sentAt >= limits.firstByteMs) giveUp({ kind: 'timeout', phase: 'first-byte' })
      else if ((state === 'sent' || state === 'answering') && now - sentAt >= limits.answerMs)
        giveUp({ kind: 'timeout', phase: 'answer' })
    },
    async close() {
      dead = true
      await client.destroy()
    },
  }
  return slot
}
