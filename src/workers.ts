/** Workers as processes of their own on this machine: started, told of each other's hints, started again when one dies, stopped together. */
import { setMaxListeners } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import type { Settings } from './config.ts'
import type { BackendStatus } from './dispatch/feed.ts'
import { backoffMs } from './domain/backoff.ts'
import type { Engine } from './engine.ts'
import { startProcess } from './kit/process.ts'
import { channels, type Channel } from './store/db.ts'
import { endOwner } from './store/walks.ts'

/** What a server says to its workers. */
export type ToWorker =
  | { readonly kind: 'begin'; readonly settings: Settings; readonly owner: string }
  | { readonly kind: 'hint'; readonly channel: Channel }
  | { readonly kind: 'stop' }

/** What a worker says to its server. */
export type ToServer =
  | { readonly kind: 'hint'; readonly channel: Channel }
  | { readonly kind: 'seen'; readonly backends: readonly BackendStatus[]; readonly metrics: unknown }

const again = { baseMs: 500, maxMs: 30_000 }
const steadyMs = 60_000
/** Beyond the grace time of the settings a worker that should have ended is killed. */
const lateMs = 5_000

export interface Workers {
  /** As all of them see them, together. */
  backends(): BackendStatus[]
  metrics(): unknown[]
  /** Keeps so many at work until stopped; resolves when the last has ended. */
  run(count: number, signal: AbortSignal): Promise<void>
}

interface Seen {
  readonly process: ChildProcess
  backends: readonly BackendStatus[]
  metrics: unknown
}

export function makeWorkers(engine: Engine, settings: Settings): Workers {
  const { db, parts, newUuid } = engine
  const { clock, log, random } = parts
  const alive = new Set<Seen>()
  const relays = settings.database === ''

  const say = (to: ChildProcess, message: ToWorker): void => void (to.connected && to.send(message, () => {}))

  function hear(from: Seen, message: ToServer): void {
    if (message.kind === 'seen') Object.assign(from, { backends: message.backends, metrics: message.metrics })
    else if (relays) for (const other of alive) if (other !== from) say(other.process, message)
  }

  /** One worker from its start to its end. */
  async function workOnce(signal: AbortSignal): Promise<void> {
    const owner = newUuid()
    const child = startProcess('./worker-process', import.meta.url)
    const one: Seen = { process: child, backends: [], metrics: null }
    alive.add(one)
    const ended = new Promise<string>((resolve) => {
      child.once('exit', (code, by) => resolve(by ?? `code ${String(code)}`))
      child.once('error', (error) => resolve(error.message))
    })
    child.on('message', (message) => hear(one, message as ToServer))
    say(child, { kind: 'begin', settings, owner })
    const over = new AbortController()
    const stop = () => {
      say(child, { kind: 'stop' })
      void clock.sleep(settings.grace + lateMs, over.signal).then(() => over.signal.aborted || child.kill('SIGKILL'))
    }
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    const how = await ended
    over.abort()
    alive.delete(one)
    signal.removeEventListener('abort', stop)
    if (!signal.aborted) log.warn('a worker has ended and is started again', { how })
    await endOwner(db, owner).catch((error: unknown) => log.warn('what a worker held lapses with its lease', { error }))
    for (const channel of channels) db.hint(channel)
  }

  async function keepOne(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      const from = clock.monotonic()
      await workOnce(signal)
      if (clock.monotonic() - from > steadyMs) failures = 0
      await clock.sleep(backoffMs(failures, again, random), signal)
    }
  }

  return {
    backends: () => together([...alive].map(({ backends }) => backends)),
    metrics: () => [...alive].map(({ metrics }) => metrics).filter((metrics) => metrics !== null),
    async run(count, signal) {
      setMaxListeners(0, signal) // NOTE: each worker listens, however many there are
      const ends = relays
        ? channels.map((channel) => db.listen(channel, () => alive.forEach((one) => say(one.process, { kind: 'hint', channel }))))
        : []
      await Promise.all(Array.from({ length: count }, () => keepOne(signal)))
      for (const end of ends) end()
    },
  }
}

/** One status a backend, from those of all workers. */
export function together(all: readonly (readonly BackendStatus[])[]): BackendStatus[] {
  const byUrl = new Map<string, BackendStatus>()
  for (const one of all.flat()) {
    const before = byUrl.get(one.url)
    byUrl.set(
      one.url,
      before
        ? {
            ...one,
            models: before.models ?? one.models,
            state: before.state === 'open' ? 'open' : one.state,
            trouble: before.state === 'open' || one.state === 'open' ? null : (before.trouble ?? one.trouble),
            inFlight: before.inFlight + one.inFlight,
            limit: before.limit + one.limit,
          }
        : one,
    )
  }
  return [...byUrl.values()]
}
