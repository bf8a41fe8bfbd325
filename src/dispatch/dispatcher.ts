/**
 * Sends lines and keeps the backends full. Lanes pull: whenever a call ends, a feed is woken, a wait is over or a gate opens, the next line in turn goes out.
 * A taken line ends exactly once, in `settle` or in `stopped`. Where a flight can be, and how it gets there:
 *
 *   take ─▶ ready ─▶ out ─▶ over (settled)         out ─▶ waiting ─▶ ready          it is sent again, later
 *                    out ─▶ judged ─▶ waiting      it broke alone                   judged ─▶ ready     its backend died
 *   ready ─▶ draining ─▶ out                       it goes alone                    anywhere ─▶ over    its signal aborted (stopped)
 */
import { backoffMs } from '../domain/backoff.ts'
import { adapt as follow, overloadOf, roomIn, type Adapt } from '../domain/lane.ts'
import { tokensServed } from '../domain/estimate.ts'
import type { Ending, Outcome } from '../domain/outcome.ts'
import { decide, tellsOfModels } from '../domain/retry.ts'
import type { Events } from '../events.ts'
import type { Clock } from '../kit/clock.ts'
import { makeBell } from '../kit/forever.ts'
import { endingOf } from './http/answer.ts'
import type { OpenAddress } from './fetch/content.ts'
import { dataOnly } from './fetch/data-address.ts'
import { sentBody } from './sent-body.ts'
import { judgeBreak, togetherMs } from './deaths.ts'
import { watch } from './discovery.ts'
import type { DispatchSettings, Dispatcher } from './feed.ts'
import { board, land, leave, makeReady, makeStops } from './flights.ts'
import { makeGate } from './gate.ts'
import { makeHearing } from './hearing.ts'
import { makeHeap } from './heap.ts'
import { freshBackend, joinLanes, limitOf, setModels, statusOf } from './lanes.ts'
import { makeSchedule } from './schedule.ts'
import { makeSender } from './sender.ts'
import type { Backend, Flight, Lane, Rota } from './state.ts'
import { makeTransport, type Transport } from './http/transport.ts'

export interface DispatcherParts {
  readonly settings: DispatchSettings
  readonly clock: Clock
  readonly random: () => number
  readonly events: Pick<Events, 'attempted' | 'audioHeard' | 'backendShut' | 'backendOpen'>
  /** Opens what lines of audio name; by default nothing but `data:` addresses. */
  readonly openAddress?: OpenAddress
  /** Images that lines name are put into their bodies, of one line so many bytes at most; null: they are not. */
  readonly imageBytes?: number | null
  /** The outer edge; by default HTTP. */
  readonly transport?: Transport
  /** How limits move. */
  readonly adapt?: Adapt
}

/** A line that was refused before, and others accepted since, says nothing about the room that there is. */
const isForItsOwnSake = ({ refused, refusedAt }: Flight, { heardAt }: Backend): boolean => refused >= 1 && heardAt > refusedAt

/** Probes of a shut backend, rests of a lane of which nothing is accepted. */
const probes = { baseMs: 250, maxMs: 5_000 }
/** A line whose lease is not fresh is asked about again so much later. */
const heldMs = 100
/** A backend that says that it has not a model is asked which it has, so often at most. */
const staleMs = 1000
/** Time-outs are looked after so often at least. */
const sweepMs = 1000

export function makeDispatcher({
  settings,
  clock,
  random,
  events,
  openAddress = dataOnly,
  imageBytes = null,
  transport = makeTransport(settings, clock),
  adapt = follow,
}: DispatcherParts): Dispatcher {
  const now = () => clock.monotonic()
  const policy = { attempts: settings.attempts, baseMs: settings.backoffBaseMs, maxMs: settings.backoffMaxMs }
  const alarm = makeBell(clock)
  /** Those that wait, by the time at which they go on. */
  const due = makeHeap<Flight>()
  const stops = makeStops(stop)
  const backends = settings.backends.map((its) => freshBackend(its, transport<Flight>(its, ended), makeBell(clock)))
  const schedule = makeSchedule(
    (rota) => joinLanes(rota, backends),
    (turn, feed, line) => board(stops, turn, feed, line),
  )
  const sender = makeSender({
    schedule,
    now,
    bodyOf: sentBody(openAddress, imageBytes),
    stopping: () => stopping,
    held: (flight) => wait(flight, heldMs),
  })
  const probeMs = (failures: number) => (backoffMs(failures, probes, () => 1) + backoffMs(failures, probes, random)) / 2
  const gate = makeGate({
    startInFlight: settings.startInFlight,
    now,
    restMs: probeMs,
    opened: (lane) => offerAll(lane),
    freed: ({ turn }) => sender.offer(turn.rota),
    events,
  })
  const hearing = makeHearing({
    backends,
    rotas: schedule.rotas,
    gate,
    startInFlight: settings.startInFlight,
    now,
    opened: (lane) => offerAll(lane),
  })
  let stopping = false
  let alarmAt = 0
  let lastLanded: (() => void) | undefined
  for (const backend of backends) {
    const { models, aliases = {} } = backend.settings
    if (models) setModels(backend, [...models, ...Object.keys(aliases)], [], settings.startInFlight)
  }

  function ended(flight: Flight, outcome: Outcome): void {
    const { lane } = flight
    if (!lane) return
    const { backend } = lane
    land(flight, lane)
    events.attempted(lane.model, outcome)
    learn(lane, outcome, flight)
    if (outcome.kind === 'broken') broke(flight, outcome, backend)
    else conclude(flight, outcome, backend)
    sender.fill(backend)
    if (stopping) tellLanded()
  }

  /** What an outcome says about its lane and its backend. */
  function learn(lane: Lane, outcome: Outcome, flight: Flight): void {
    const { backend } = lane
    const told = roomIn(outcome)
    const isRefusal = outcome.kind === 'answered' && told === 'overload'
    const meaning = isRefusal && isForItsOwnSake(flight, backend) ? 'nothing' : told
    if (isRefusal) {
      flight.refused++
      flight.refusedAt = now()
    }
    lane.pace = adapt(lane.pace, { meaning, inFlight: lane.inFlight }, Math.max(1, backend.ceiling))
    if (meaning === 'good') {
      lane.refusals = 0
      backend.heardAt = now()
    } else if (meaning === 'overload' && lane.inFlight === 0) {
      gate.rest(lane, overloadOf(outcome))
      wakeAt(lane.restsUntil)
    }
    if (tellsOfModels(outcome) && now() - backend.toldAt > staleMs) backend.askBell.ring()
    if (outcome.kind === 'unreachable') shut(backend, `it cannot be reached (${outcome.message})`)
    // NOTE: a backend that is merely full may be slow to accept connections while it answers others
    else if (outcome.kind === 'timeout' && outcome.phase === 'connect' && now() - backend.heardAt > settings.connectTimeoutMs)
      shut(backend, 'it does not accept connections in time')
  }

  function shut(backend: Backend, trouble: string): void {
    const wasOpen = backend.open
    gate.shut(backend, trouble)
    if (!wasOpen) return
    backend.askBell.ring()
    queueMicrotask(() => [...backend.lanes.values()].forEach(offerAll)) // NOTE: what waited for it may go elsewhere now; the call that ended is in the midst of it
  }

  function broke(flight: Flight, outcome: Outcome, backend: Backend): void {
    const verdict = judgeBreak(backend, flight, now())
    switch (verdict.kind) {
      case 'alone':
        return conclude(flight, outcome, backend)
      case 'unclear':
        flight.avoid = backend
        return wait(flight, togetherMs, 'judged')
      case 'died':
        backend.suspectsMost = 1
        for (const victim of verdict.with) {
          due.remove(victim)
          victim.deaths++
          victim.spared++
          victim.avoid = null
          makeReady(victim)
        }
        shut(backend, 'its connections broke')
        for (const rota of new Set(verdict.with.map((victim) => victim.turn.rota))) sender.offer(rota)
    }
  }

  /** The flight's own part: a result, another attempt, or the end. */
  function conclude(flight: Flight, outcome: Outcome, backend: Backend): void {
    if (outcome.kind === 'answered' && flight.deaths > 0) {
      flight.deaths = 0
      backend.suspectsMost = Math.min(2 * backend.suspectsMost, backend.settings.maxInFlight)
    }
    const leftMs = flight.feed.deadlineAt - now()
    const verdict = decide(outcome, flight, policy, leftMs, random)
    switch (verdict.kind) {
      case 'result': {
        const ending = endingOf(verdict.answer)
        if (ending.kind === 'answered' && ending.timedBy) events.audioHeard(ending.timedBy)
        return settle(flight, ending)
      }
      case 'failed':
        return settle(flight, { kind: 'unanswered', code: verdict.code, message: verdict.message })
      case 'again':
        if (verdict.burns) flight.burnt++
        else flight.spared++
        flight.avoid = verdict.elsewhere ? backend : null
        return wait(flight, verdict.waitMs)
    }
  }

  function settle(flight: Flight, ending: Ending): void {
    leave(flight)
    schedule.served(flight, tokensServed(ending))
    flight.feed.settle(flight.line, ending)
  }

  function stop(flights: readonly Flight[]): void {
    const freed = new Set<Backend>()
    for (const flight of flights) {
      const backend = leave(flight)
      due.remove(flight)
      for (const { judged } of backends) judged.delete(flight)
      if (backend) freed.add(backend)
      flight.feed.stopped(flight.line)
    }
    queueMicrotask(() => freed.forEach((backend) => sender.fill(backend))) // NOTE: who aborts is in the midst of something; feeds are asked for lines when that is done
    if (stopping) tellLanded()
  }

  function wait(flight: Flight, ms: number, place: 'waiting' | 'judged' = 'waiting'): void {
    flight.place = place
    due.put(flight, now() + ms)
    wakeAt(flight.rank)
  }

  function wakeAt(at: number): void {
    if (at < alarmAt) alarm.ring()
  }

  /** The one timer: waits that are over, rests that are over, calls whose time is over. */
  async function keepTime(signal: AbortSignal): Promise<void> {
    const everyMs = Math.max(10, Math.min(sweepMs, settings.firstByteTimeoutMs / 4, settings.answerTimeoutMs / 4))
    for (let sweepAt = 0; !signal.aborted;) {
      const at = now()
      const rotas = new Set<Rota>()
      for (let flight = due.take(at); flight; flight = due.take(at)) {
        if (flight.place === 'judged') {
          const { avoid } = flight
          avoid?.judged.delete(flight)
          if (avoid) conclude(flight, { kind: 'broken', message: '' }, avoid)
        } else {
          makeReady(flight)
          rotas.add(flight.turn.rota)
        }
      }
      for (const rota of rotas) sender.offer(rota)
      gate.wakeRested(at)
      if (at >= sweepAt) {
        for (const { wire } of backends) wire.sweep(at)
        sweepAt = at + everyMs
      }
      alarmAt = Math.min(due.first?.rank ?? Infinity, gate.nextAt(), sweepAt)
      await alarm.wait(Math.max(1, alarmAt - now()), signal)
    }
  }

  function offerAll(lane: Lane): void {
    for (const rota of schedule.rotas) if (rota.lanes.includes(lane)) sender.offer(rota)
  }

  const landed = () => backends.every(({ inFlight }) => inFlight === 0)
  const tellLanded = () => landed() && lastLanded?.()

  return {
    add: (feed) => sender.offer(schedule.add(feed)),
    wake(feed) {
      const rota = schedule.wake(feed)
      if (rota) sender.offer(rota)
    },
    remove: (feed) => schedule.remove(feed),
    capacity: (model, endpoint) => backends.reduce((sum, backend) => sum + limitOf(backend, model, endpoint), 0),
    backends: () => backends.map(statusOf),
    setCeiling(url, ceiling) {
      for (const backend of backends) {
        if (backend.settings.url !== url) continue
        const offers = ceiling > backend.ceiling || ceiling === 0 // NOTE: what waited for it may have to go elsewhere
        backend.ceiling = ceiling
        if (offers) for (const lane of backend.lanes.values()) offerAll(lane)
      }
    },
    onModels: hearing.onModels,
    async run(signal) {
      const over = new AbortController()
      const watching = backends.map((backend) =>
        watch(
          backend,
          {
            clock,
            everyMs: settings.discoverEveryMs,
            probeMs,
            told: (heard) => hearing.told(backend, heard),
            bell: backend.askBell,
          },
          signal,
        ),
      )
      const keeping = keepTime(over.signal)
      await Promise.all(watching)
      stopping = true
      if (!landed()) await new Promise<void>((resolve) => (lastLanded = resolve))
      over.abort()
      await keeping
      await Promise.all(backends.map(({ wire }) => wire.close()))
    },
  }
}
