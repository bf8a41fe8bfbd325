import { lookup } from 'node:dns'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import type { S3 } from '@aws-sdk/client-s3'
import type { NodeHttpHandler } from '@smithy/node-http-handler'
import type { S3Access } from '../../domain/grant.ts'
import { abortUnder, orAborted } from '../../kit/abort.ts'
import { setVariable } from '../../kit/environment.ts'
import { readCredentials, SecretMissing } from './credentials.ts'
import type { Breaker } from './breaker.ts'
import { S3Failure } from './failure.ts'

/**
 * How long a call may take to connect, and stand still, and how often it is tried; how long a try that sends few bytes or asks for some may wait for the beginning of its
 * answer. Of one that carries no bytes: how long a try may wait, and all tries together may take.
 */
export interface Patience {
  readonly connectMs: number
  readonly stallMs: number
  readonly attempts: number
  readonly storeMs: number
  readonly answerMs: number
  readonly briefMs: number
}
export const usualPatience: Patience = {
  connectMs: 10_000,
  stallMs: 60_000,
  attempts: 5,
  storeMs: 20_000,
  answerMs: 9_000,
  briefMs: 30_000,
}
/** What is longer may take its time on a line that many share: then only standing still is an end. */
const fewBytes = 256 * 1024

/** One S3 server under one set of credentials. */
export interface S3Server {
  readonly endpoint: string
  /**
   * Asks the server something, `what` in words. `sent`: so many bytes go along, or come back if it is 0; not given: it is work that the server may take its time for (it puts parts
   * together, it copies). @throws {S3Failure}; the signal's reason when it aborts
   */
  ask<T>(what: string, call: Call<T>, signal?: AbortSignal, sent?: number): Promise<T>
  /**
   * The same for a call that carries no bytes: a server that hangs keeps those who only look, list or delete for half a minute at most, and behind a breaker one of them.
   * `once`: the server has more to do than to look, so that one try may take all of the time.
   */
  askBriefly<T>(what: string, call: Call<T>, signal?: AbortSignal, once?: boolean): Promise<T>
}

interface CallOptions {
  readonly abortSignal?: AbortSignal
  readonly requestTimeout?: number
}
type Call<T> = (client: S3, options: CallOptions) => Promise<T>

type Handle = NodeHttpHandler['handle']

const socketsAtMost = 64
const idleSocketMs = 10_000

/** Nothing but the endpoint is ever contacted, and nothing but what is given here is looked at: no file, no variable and no address of the machine. */
export function openS3(access: S3Access, patience: Patience = usualPatience, breaker?: Breaker): S3Server {
  let opened: Promise<S3> | undefined
  const connections = { keepAlive: true, maxSockets: socketsAtMost, timeout: idleSocketMs, lookup: lookupHost }
  const agents = { httpAgent: new HttpAgent(connections), httpsAgent: new HttpsAgent(connections) }
  /** Answers that have begun and are not read to their end. */
  let reading = 0
  /** Most connections are held by those who read slowly, and others wait for one. */
  const isFull = (): boolean =>
    reading > socketsAtMost / 2 && Object.values(agents).some(({ requests }) => Object.keys(requests).length > 0)

  function began(answer: Readable): void {
    breaker?.answered()
    reading++
    answer.once('close', () => reading--)
  }

  async function send<T>(what: string, call: Call<T>, options: CallOptions): Promise<T> {
    const { abortSignal: signal } = options
    signal?.throwIfAborted()
    const client = await (opened ??= openClient(access, patience, agents, began)) // NOTE: late: the client takes 0.2 s to load, which those without S3 need not wait for
    try {
      // NOTE: the client does not look at the signal while it pauses between two tries
      return await orAborted(call(client, options), signal)
    } catch (error) {
      signal?.throwIfAborted()
      throw failureOf(error, what)
    }
  }

  return {
    endpoint: access.endpoint,
    ask: (what, call, signal, sent) =>
      send(what, call, {
        ...(signal && { abortSignal: signal }),
        ...(sent !== undefined && sent <= fewBytes && { requestTimeout: patience.storeMs }),
      }),
    async askBriefly(what, call, signal, once = false) {
      const silence = new S3Failure(timeout, null, `S3 could not ${what}: it does not answer`)
      const limit = abortUnder(signal)
      const tooLong = () => limit.abort(silence)
      const out = breaker?.enter(tooLong, isFull)
      if (out === null) {
        limit.leave()
        throw silence
      }
      const timer = setTimeout(tooLong, out?.isProbe ? patience.answerMs : patience.briefMs)
      let inVain = false
      try {
        return await send(what, call, {
          abortSignal: limit.signal,
          ...(!once && { requestTimeout: patience.answerMs }),
        })
      } catch (error) {
        inVain = error instanceof S3Failure && timeouts.includes(error.code) && !isFull()
        throw error
      } finally {
        clearTimeout(timer)
        limit.leave()
        out?.leave(inVain)
      }
    },
  }
}

const timeout = 'TimeoutError'
/** Ours, and the client's for a try that was its last. */
const timeouts = [timeout, 'ETIMEDOUT']

async function openClient(
  access: S3Access,
  { connectMs, stallMs, attempts }: Patience,
  agents: { readonly httpAgent: HttpAgent; readonly httpsAgent: HttpsAgent },
  began: (answer: Readable) => void,
): Promise<S3> {
  setVariable('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true') // NOTE: it would be warned of a future version's need, in each thread
  const { S3, NodeHttpHandler } = await import('./sdk.ts')
  const handler = new NodeHttpHandler({
    connectionTimeout: connectMs,
    socketTimeout: stallMs,
    throwOnRequestTimeout: true,
    ...agents,
    logger: silent,
  })
  const { hostname } = new URL(access.endpoint)
  return new S3({
    endpoint: access.endpoint,
    region: access.region,
    forcePathStyle: access.pathStyle,
    credentials: () => readCredentials(access),
    requestHandler: {
      metadata: handler.metadata,
      async handle(request: Parameters<Handle>[0], options?: Parameters<Handle>[1]) {
        if (request.hostname !== hostname && !request.hostname.endsWith(`.${hostname}`))
          throw new Error(`${request.hostname} is not the host of the settings`)
        const response = await handler.handle(request, options)
        began(response.response.body as Readable)
        return response
      },
    },
    maxAttempts: attempts,
    retryMode: 'standard',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    expectContinueHeader: false,
    useArnRegion: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    disableS3ExpressSessionAuth: true,
    defaultsMode: 'standard',
    authSchemePreference: ['sigv4'],
    sigv4aSigningRegionSet: [access.region],
    userAgentAppId: 'nightshift',
    logger: silent,
  })
}

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

/** Names under `localhost` are this machine (RFC 6761), which not every resolver knows. */
const lookupHost: LookupFunction = (hostname, options, callback) =>
  lookup(hostname.endsWith('.localhost') ? 'localhost' : hostname, options, callback)

interface Thrown {
  readonly name?: string
  readonly code?: string
  readonly message?: string
  readonly Region?: unknown
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> }
}

/** NOTE: what the client throws is not kept as the cause: it has the headers of the request. */
function failureOf(error: unknown, what: string): Error {
  if (error instanceof SecretMissing) return new S3Failure(error.name, null, error.message)
  const { name = 'Error', code, message = '', Region, $metadata, $response } = (error ?? {}) as Thrown
  const status = $metadata?.httpStatusCode ?? null
  const told = $response?.headers?.['x-amz-bucket-region'] ?? Region
  const region = typeof told === 'string' && /^[a-z0-9-]{1,40}$/.test(told) ? told : null
  const kind = status === null ? (code ?? name) : name
  return new S3Failure(kind, status, `S3 could not ${what}: ${kind}${message && message !== kind ? `, ${message}` : ''}`, region)
}
