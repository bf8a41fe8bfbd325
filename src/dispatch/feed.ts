import type { BackendTls } from '../domain/backend-tls.ts'
import type { Ending } from '../domain/outcome.ts'

/** One line as the lanes see it. */
export interface Sendable {
  /** Goes out as it is. */
  readonly body: Buffer
  /** Aborted with a `Stopped` when the line's shard or batch must stop. Shared by all lines of a shard: listen once a signal, not once a line. */
  readonly signal: AbortSignal
}

/** The lines of one batch on this worker. Lanes pull; nothing is pushed at them. All calls are synchronous and quick. */
export interface Feed {
  readonly projectId: string
  readonly batchId: string
  readonly model: string
  /** Path on the backend: `/v1/chat/completions`. */
  readonly endpoint: string
  /** End of the batch's window, by the monotonic clock: no retry waits beyond it. */
  readonly deadlineAt: number
  /** Lines of the whole batch. */
  readonly lines: number
  /** Its project's part of what is served, beside those of others that have lines. `wake` it when it changes. */
  readonly weight: number
  /** It would miss its window at the present pace: its project's batches go by their deadlines alone. `wake` it when it changes. */
  readonly atRisk: boolean
  /** Tokens that its next line will take, as far as can be told. */
  readonly tokensALine: number
  /** The next line that is at hand, or undefined: then the feed is passed over until `Dispatcher.wake`. */
  take(): Sendable | undefined
  /** Asked before each send, of a taken line too that waits for its next attempt: is the right to it fresh? If not, the line waits and is asked again. */
  maySend(line: Sendable): boolean
  /** The line came to its end. */
  settle(line: Sendable, ending: Ending): void
  /** The line was taken, and was stopped (its signal aborted) before it came to an end. Called once, after its call is closed. */
  stopped(line: Sendable): void
}

export interface BackendStatus {
  readonly url: string
  /** null: it has not told yet. */
  readonly models: readonly string[] | null
  readonly state: 'open' | 'closed'
  /** Why it is closed, in words for an operator. */
  readonly trouble: string | null
  readonly inFlight: number
  readonly limit: number
  /** Calls that may be open at most, over all workers. */
  readonly most: number
}

export interface Dispatcher {
  /** Begins to take lines from the feed. */
  add(feed: Feed): void
  /** The feed has lines at hand again. */
  wake(feed: Feed): void
  /** Takes no more lines from it. Lines that were taken still end in `settle` or `stopped`. */
  remove(feed: Feed): void
  /** How many more lines of this model and endpoint could be sent now if they were at hand; the moving limit of its lanes, in flight or not. 0 while no backend has the model. */
  capacity(model: string, endpoint: string): number
  backends(): readonly BackendStatus[]
  /** This worker's part of what a backend may have open; at first all of it. Calls that are open beyond it end as they are. */
  setCeiling(url: string, ceiling: number): void
  /** Called whenever a backend has told its models (first time, and when they changed). */
  onModels(heard: (url: string, models: readonly string[]) => void): void
  /** Discovery, probes and timers. Resolves when stopped and no call is open. */
  run(signal: AbortSignal): Promise<void>
}

/** One backend as the settings have it. */
export interface BackendSettings {
  /** With or without `/v1`, no slash at the end. */
  readonly url: string
  readonly key: string | null
  readonly headers: Readonly<Record<string, string>>
  /** null: discovered from `/v1/models`. */
  readonly models: readonly string[] | null
  /** null: all of them. */
  readonly endpoints: readonly string[] | null
  readonly maxInFlight: number
  /** Names that batches say, and what the backend knows them as. */
  readonly aliases?: Readonly<Record<string, string>>
  /** Added to bodies that have none: vLLM takes a request with a lower number before others, and 0 is that of those which say nothing (its `--scheduling-policy priority`). */
  readonly priority?: number | null
  /** Where several have a model and more room than there are lines: its part, by weight times what is free. By default 1. */
  readonly weight?: number
  /** null: as usual. */
  readonly tls?: BackendTls | null
  /** Address of the proxy through which it is called; null: none. */
  readonly proxy?: string | null
}

export interface DispatchSettings {
  readonly backends: readonly BackendSettings[]
  readonly attempts: number
  readonly backoffBaseMs: number
  readonly backoffMaxMs: number
  readonly connectTimeoutMs: number
  readonly firstByteTimeoutMs: number
  readonly answerTimeoutMs: number
  readonly maxAnswerBytes: number
  readonly startInFlight: number
  readonly discoverEveryMs: number
}
