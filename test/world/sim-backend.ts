import type { Outcome } from '../../src/domain/outcome.ts'
import type { Chance } from '../support/chance.ts'
import type { Ledger } from './ledger.ts'
import type { Profile } from './profile.ts'
import type { SimTime } from './sim-time.ts'
import type { Story } from './story.ts'

/** A request that is open at a backend. `end` tells what came of it, unless its connection is gone. */
export interface Request {
  readonly key: string
  readonly kind: string
  end(outcome: Outcome): void
}

/** An inference server: so many slots, answers after a while, and now and then something else. */
export interface SimBackend {
  readonly url: string
  readonly models: readonly string[]
  readonly slots: number
  readonly up: boolean
  /** What the workers have open here, by their own count. */
  readonly calls: Set<Request>
  receive(request: Request): void
  /** Its connection was closed from the other side. */
  leave(request: Request): void
  goDown(ms: number): void
}

export interface BackendParts {
  readonly time: SimTime
  readonly chance: Chance
  readonly story: Story
  readonly ledger: Ledger
  readonly profile: () => Profile
}

export const unreachable: Outcome = { kind: 'unreachable', message: 'ECONNREFUSED' }
export const broken: Outcome = { kind: 'broken', message: 'ECONNRESET' }
export const answerOf = (status: number, body: unknown, retryAfterMs: number | null = null): Outcome => ({
  kind: 'answered',
  status,
  requestId: null,
  retryAfterMs,
  body: [Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))],
})

export function makeBackend(
  url: string,
  models: readonly string[],
  { time, chance, story, ledger, profile }: BackendParts,
): SimBackend {
  const slots = chance.between(1, 12)
  const meanMs = chance.pick([5, 20, 80, 250])
  const open = new Set<Request>()
  let upAt = 0
  let marks = 0

  const after = (ms: number, request: Request, outcome: () => Outcome) =>
    void time.at(time.now + ms, () => {
      if (!open.delete(request)) return
      request.end(outcome())
    })

  function good(key: string, status: number): Outcome {
    const mark = `${url}#${marks++}`
    const tokens = [chance.between(1, 50), chance.between(1, 50)] as const
    ledger.line(key).answers.push({ status, mark, tokens })
    if (status !== 200) return answerOf(status, { error: { message: mark } })
    return answerOf(200, {
      mark,
      usage: { prompt_tokens: tokens[0], completion_tokens: tokens[1], total_tokens: tokens[0] + tokens[1] },
    })
  }

  function burns(key: string): void {
    ledger.line(key).burns++
  }

  function goDown(ms: number): void {
    upAt = Math.max(upAt, time.now + ms)
    story.tell(url, 'DIES for', ms, 'with', open.size, 'open')
    for (const request of open) {
      open.delete(request)
      burns(request.key)
      time.at(time.now + chance.between(0, 20), () => request.end(broken))
    }
  }

  function serve(request: Request): void {
    const { key, kind } = request
    const p = profile().backend
    const ms = 1 + (meanMs + (kind === 'slow' ? 400 : 0)) * (0.3 + chance.next() + (chance.happens(0.05) ? 4 : 0))
    const dice = chance.next()
    let limit = 0
    const happens = (share: number) => dice < (limit += share)
    if (kind === 'kills')
      return void time.at(time.now + Math.min(ms, 50), () => open.has(request) && goDown(chance.between(100, 1500)))
    if (happens(p.busy)) return after(1, request, () => answerOf(429, '', chance.pick([null, 100, 1000])))
    if (happens(p.unavailable)) return after(1, request, () => answerOf(chance.pick([502, 503]), 'no'))
    if (happens(p.ours)) return after(1, request, () => ({ kind: 'ours', message: 'EMFILE' }))
    if (happens(p.fails)) return after(ms, request, () => (burns(key), good(key, chance.pick([500, 504, 408]))))
    if (happens(p.resets)) return after(ms * chance.next(), request, () => (burns(key), broken))
    if (happens(p.hangs)) return
    if (happens(p.garbage)) return after(ms, request, () => (garbled(key), answerOf(200, '<html>')))
    const lateMs = happens(p.late) ? chance.between(500, 6000) : 0
    after(ms + lateMs, request, () => good(key, kind === 'bad' ? 400 : 200))
  }

  function garbled(key: string): void {
    ledger.line(key).answers.push({ status: 200, mark: 'garbage', tokens: [0, 0] })
  }

  return {
    url,
    models,
    slots,
    calls: new Set(),
    get up() {
      return time.now >= upAt
    },
    receive(request) {
      open.add(request)
      if (time.now < upAt) after(1, request, () => unreachable)
      else if (open.size > slots) after(1, request, () => answerOf(429, 'full', chance.pick([null, 200])))
      else serve(request)
    },
    leave: (request) => void open.delete(request),
    goDown,
  }
}
