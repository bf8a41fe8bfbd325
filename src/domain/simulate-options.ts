/** How the simulated server behaves. Rates are between 0 and 1 and decided by seed and request, so the same run has the same faults. */
export interface SimulateOptions {
  readonly host: string
  readonly port: number
  readonly models: readonly string[]
  /** Requests that are worked on at once; others wait. */
  readonly slots: number
  /** Requests that may wait; above it 503. */
  readonly queue: number
  /** Requests in flight above which it answers 429 with `Retry-After`; 0: never. */
  readonly maxInFlight: number
  readonly retryAfterSeconds: number
  /** Milliseconds to the first token on an idle server: with load it is `firstTokenMs * (1 + running / slots)`. */
  readonly firstTokenMs: number
  /** Milliseconds a token on an idle server: with load it is `tokenMs * (1 + running / slots)`. */
  readonly tokenMs: number
  readonly errorRate: number
  readonly errorStatus: number
  /** The connection is reset after the request was read. */
  readonly resetRate: number
  /** No answer, ever. */
  readonly hangRate: number
  /** 200 with something that is not JSON. */
  readonly garbageRate: number
  /** The answer comes a few bytes a second. */
  readonly slowBodyRate: number
  readonly seed: number
}

export const simulateDefaults: SimulateOptions = {
  host: '127.0.0.1',
  port: 0,
  models: ['sim'],
  slots: 32,
  queue: 10_000,
  maxInFlight: 0,
  retryAfterSeconds: 1,
  firstTokenMs: 20,
  tokenMs: 2,
  errorRate: 0,
  errorStatus: 500,
  resetRate: 0,
  hangRate: 0,
  garbageRate: 0,
  slowBodyRate: 0,
  seed: 1,
}

/** What each option means, for help and docs. */
export const simulateHelp: Readonly<Record<keyof SimulateOptions, string>> = {
  host: 'address to listen on',
  port: 'port to listen on; 0 takes a free one',
  models: 'names of its models, separated by commas',
  slots: 'requests worked on at once',
  queue: 'requests that may wait for a slot, else 503',
  maxInFlight: 'requests in flight above which it answers 429; 0: never',
  retryAfterSeconds: 'Retry-After of a 429',
  firstTokenMs: 'ms to the first token, growing with load',
  tokenMs: 'ms a token, growing with load',
  errorRate: 'share of requests that fail with errorStatus',
  errorStatus: 'status of scripted errors',
  resetRate: 'share of connections that are reset',
  hangRate: 'share of requests that are never answered',
  garbageRate: 'share of answers that are not JSON',
  slowBodyRate: 'share of answers that trickle',
  seed: 'decides every fault and text',
}
