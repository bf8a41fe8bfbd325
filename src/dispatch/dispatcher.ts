/**
 * Sends lines and keeps the backends full. Lanes pull: whenever a call ends, a feed is woken, a gate opens or a wait is over, the lane takes the next line that
 * the schedule has for it. A taken line ends exactly once: in `settle` or in `stopped`.
 */
import type { Outcome } from '../domain/outcome.ts'
import { adapt as plainAdapt, type Adapt } from '../domain/lane.ts'
import { endingOf, retryWaitMs, verdict } from '../domain/retry.ts'
import type { Events } from '../events.ts'
import type { Clock } from '../kit/clock.ts'
import { makeBreaks } from './breaks.ts'
import { makeDelays } from './delays.ts'
import { discover, type Told } from './discovery.ts'
import type { BackendSettings, DispatchSettings, Dispatcher, Feed } from './feed.ts'
import { makeGate } from './gate.ts'
import { freeRoom, laneOf, serves, suspectToSend, type Backend, type LaneState } from './lanes.ts'
import { makeSchedule } from './schedule.ts'
import { makeRegister, type Taken } from './taken.ts'
import { openTransport, type OpenTransport } from './transport.ts'

export interface DispatcherParts {
  readonly settings: DispatchSettings
  readonly clock: Clock
  readonly random: () => number
  readonly events: Pick<Events, 'attempted' | 'backendShut' | 'backendOpen'>
  readonly open?: OpenTransport
  readonly adapt?: Adapt
}

/** A reused connection that the other side had closed breaks within this time of being written to, before a byte of an answer. */
const staleWithinMs = 100
const askAgainMs = 250

export function makeDispatcher({
  settings,
  clock,
  random,
  events,
  open = openTransport,
  adapt = plainAdapt,
}: DispatcherParts): Dispatcher {
  const schedule = makeSchedule()
  const heard: ((url: string, models: readonly string[]) => void)[] = []
  const register = makeRegister((taken) => {
    register.remove(taken)
    taken.feed.stopped(taken.line)
  })
  const delays = makeDelays(clock, (taken) => {
    schedule.again(taken)
    pumpModel(taken.feed.model)
  })
  const backends = settings.backends.map(openBackend)

  function openBackend(one: BackendSettings): Backend {
    const backend: Backend = {
      settings: one,
      transport: open(one, settings, clock),
      lanes: new Map(),
      models: one.models,
      trouble: null,
      inFlight: 0,
      gate: makeGate({ monotonic: () => clock.monotonic(), random, onShut: (ms) => wakeLater(ms, () => pumpBackend(backend)) }),
      breaks: makeBreaks(clock, burn, () => pumpBackend(backend)),
    }
    return backend
  }

  function stateOf(backend: Backend, model: string): LaneState {
    const state: LaneState = laneOf(backend, model, settings.startInFlight, () =>
      makeGate({ monotonic: () => clock.monotonic(), random, onShut: (ms) => wakeLater(ms, () => pump(state)) }),
    )
    return state
  }

  const wakeLater = (ms: number, wake: () => void): void => void clock.sleep(ms + 1).then(wake)

  function pump(state: LaneState): void {
    const { backend, model } = state
    if (backend.breaks.suspect) return pumpSuspect(backend)
    while (freeRoom(state) > 0) {
      const taken = schedule.next(model, backend.settings.endpoints)
      if (!taken) return
      if (taken.tries === 0) register.add(taken)
      send(state, taken)
    }
  }

  function pumpSuspect(backend: Backend): void {
    const taken = suspectToSend(backend)
    if (!taken || backend.gate.room === 0) return
    const state = stateOf(backend, taken.feed.model)
    if (state.gate.room > 0) send(state, taken)
  }

  function pumpBackend(backend: Backend): void {
    if (backend.breaks.suspect) return pumpSuspect(backend)
    for (const state of backend.lanes.values()) pump(state)
  }

  /** Several backends have the model: each line goes where there is most room, relative to the limit. */
  function pumpModel(model: string): void {
    const lanes = backends.filter((b) => b.models?.includes(model)).map((b) => stateOf(b, model))
    const [only] = lanes
    if (lanes.length <= 1) return only && pump(only)
    for (const lane of lanes) if (lane.backend.breaks.suspect) pumpSuspect(lane.backend)
    for (let open = lanes.filter((l) => !l.backend.breaks.suspect); open.length > 0;) {
      open = open.filter((l) => freeRoom(l) > 0).toSorted((a, b) => a.inFlight / a.lane.limit - b.inFlight / b.lane.limit)
      const lane = open[0]
      if (!lane) return
      const taken = schedule.next(model, lane.backend.settings.endpoints)
      if (!taken) {
        open = open.slice(1)
        continue
      }
      if (taken.tries === 0) register.add(taken)
      send(lane, taken)
    }
  }

  function send(state: LaneState, taken: Taken): void {
    const { feed, line } = taken
    if (taken.tries > 0 && !feed.maySend(line)) return delays.add(taken, askAgainMs)
    const { backend } = state
    state.inFlight++
    backend.inFlight++
    taken.tries++
    taken.sentAtMs = clock.monotonic()
    let ended = false
    const call = backend.transport.send(feed.endpoint, line.body, line.signal, (outcome, sawBytes) => {
      ended = true
      state.inFlight--
      backend.inFlight--
      taken.call = null
      onEnd(state, taken, outcome, sawBytes)
      pump(state)
      if (backend.lanes.size > 1) pumpBackend(backend)
    })
    if (!ended) taken.call = call
  }

  function onEnd(state: LaneState, taken: Taken, outcome: Outcome, sawBytes: boolean): void {
    const { backend } = state
    events.attempted(state.model, outcome)
    if (outcome.kind === 'stopped') return finish(taken, null)
    if (taken.line.signal.aborted) return finish(taken, verdict(outcome) === 'result' ? outcome : null) // NOTE: an answer that came whole counts
    learn(state, taken, outcome)
    if (outcome.kind === 'broken') {
      if (backend.breaks.has(taken)) return burn(taken)
      if (!sawBytes && !taken.excused && clock.monotonic() - taken.sentAtMs < staleWithinMs) {
        taken.excused = true
        return delays.add(taken, 0)
      }
      return backend.breaks.broke(taken)
    }
    const suspect = backend.breaks.has(taken)
    switch (verdict(outcome)) {
      case 'result':
        backend.breaks.cleared(taken)
        return finish(taken, outcome)
      case 'burns':
        if (++taken.burnt >= settings.attempts) {
          backend.breaks.cleared(taken)
          return finish(taken, outcome)
        }
        break
      case 'free':
        break
    }
    if (suspect && outcome.kind === 'answered') backend.breaks.cleared(taken)
    if (!backend.breaks.has(taken)) retry(taken, outcome)
  }

  /** A connection that broke alone. */
  function burn(taken: Taken): void {
    const broken: Outcome = { kind: 'broken', message: '' }
    const backend = backends.find((b) => b.breaks.has(taken))
    if (++taken.burnt < settings.attempts) {
      if (backend) wakeLater(askAgainMs, () => pumpSuspect(backend))
      else retry(taken, broken)
      return
    }
    backend?.breaks.cleared(taken)
    finish(taken, broken)
    if (backend) pumpBackend(backend)
  }

  function retry(taken: Taken, outcome: Outcome): void {
    const backoff = { baseMs: settings.backoffBaseMs, maxMs: settings.backoffMaxMs }
    const untilDeadlineMs = Math.max(0, taken.feed.deadlineAt - clock.now())
    delays.add(taken, retryWaitMs(outcome, { tries: taken.tries - 1, backoff, untilDeadlineMs, random }))
  }

  function finish(taken: Taken, outcome: Exclude<Outcome, { kind: 'stopped' }> | null): void {
    register.remove(taken)
    if (outcome) taken.feed.settle(taken.line, endingOf(outcome))
    else taken.feed.stopped(taken.line)
  }

  /** What the outcome says about the lane and the backend. */
  function learn(state: LaneState, taken: Taken, outcome: Exclude<Outcome, { kind: 'stopped' }>): void {
    const { backend } = state
    const overload = outcome.kind === 'answered' && (outcome.status === 429 || outcome.status === 502 || outcome.status === 503)
    const answered = outcome.kind === 'answered' || outcome.kind === 'too-large' || outcome.kind === 'garbage'
    if (overload) {
      if (state.inFlight === 0) {
        state.gate.refused(taken.sentAtMs, outcome.retryAfterMs)
        if (backend.lanes.size === 1) trouble(backend, `it answers ${outcome.status} to everything`)
      }
    } else if (answered) {
      state.gate.good()
      backend.gate.good()
      if (backend.trouble !== null) opened(backend)
    } else if (
      outcome.kind === 'unreachable' ||
      (outcome.kind === 'timeout' && outcome.phase === 'connect') ||
      outcome.kind === 'ours'
    ) {
      backend.gate.refused(taken.sentAtMs, null)
      if (outcome.kind !== 'ours')
        trouble(
          backend,
          outcome.kind === 'timeout' ? 'it does not accept connections in time' : `it cannot be reached (${outcome.message})`,
        )
    }
    const meaning = overload ? 'overload' : answered ? 'good' : 'nothing'
    state.lane = adapt(
      state.lane,
      { meaning, sentAtMs: taken.sentAtMs, atMs: clock.monotonic(), open: state.inFlight },
      backend.settings.maxInFlight,
    )
  }

  function trouble(backend: Backend, why: string): void {
    if (backend.trouble === null) events.backendShut(backend.settings.url, why)
    backend.trouble = why
  }
  function opened(backend: Backend): void {
    events.backendOpen(backend.settings.url)
    backend.trouble = null
  }

  function told(backend: Backend, answer: Told): void {
    if (answer.kind === 'trouble') {
      if (backend.models === null) trouble(backend, answer.trouble)
      return
    }
    const news = backend.models === null || backend.models.join('\n') !== answer.models.join('\n')
    if (backend.models === null && backend.trouble !== null) opened(backend)
    backend.models = answer.models
    if (!news) return
    for (const tell of heard) tell(backend.settings.url, answer.models)
    for (const model of answer.models) pumpModel(model)
  }

  return {
    add(feed: Feed) {
      schedule.add(feed)
      pumpModel(feed.model)
    },
    wake(feed) {
      schedule.wake(feed)
      pumpModel(feed.model)
    },
    remove: (feed) => schedule.remove(feed),
    capacity: (model, endpoint) =>
      backends.filter((b) => serves(b, model, endpoint)).reduce((sum, b) => sum + stateOf(b, model).lane.limit, 0),
    backends: () =>
      backends.map((b) => ({
        url: b.settings.url,
        models: b.models,
        state: b.gate.shut || b.models === null ? 'closed' : 'open',
        trouble: b.trouble,
        inFlight: b.inFlight,
        limit: [...b.lanes.values()].reduce((n, l) => n + l.lane.limit, 0),
      })),
    onModels: (tell) => void heard.push(tell),
    async run(signal) {
      for (const b of backends) if (b.models) for (const tell of heard) tell(b.settings.url, b.models)
      await Promise.all([
        delays.run(signal),
        ...backends
          .filter((b) => b.settings.models === null)
          .map((b) =>
            discover(
              { transport: b.transport, clock, random, everyMs: settings.discoverEveryMs, told: (answer) => told(b, answer) },
              signal,
            ),
          ),
      ])
      await Promise.all(backends.map((b) => b.transport.close()))
    },
  }
}
