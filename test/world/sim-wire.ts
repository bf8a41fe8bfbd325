import type { Transport, Wire } from '../../src/dispatch/http/transport.ts'
import type { Outcome } from '../../src/domain/outcome.ts'
import { answerOf, unreachable, type Request, type SimBackend } from './sim-backend.ts'
import type { Ledger } from './ledger.ts'
import type { Life } from './life.ts'
import type { SimTime } from './sim-time.ts'
import type { Story } from './story.ts'

export interface WireParts {
  readonly story: Story
  readonly time: SimTime
  readonly life: Life
  readonly ledger: Ledger
  readonly backends: readonly SimBackend[]
  readonly firstByteMs: number
  /** Told of each request as it leaves. */
  readonly leaving: (key: string) => void
  /** Told when it has left, and how many calls this worker has open there. */
  readonly left: (backend: SimBackend, open: number) => void
}

/** The name of a line and its kind, as they stand in its body. */
const named = /<<(\S+) (\w+)>>/

/** The network of one worker: what it sends reaches the backend, what comes back reaches it, if it lives. */
export function makeTransport({ time, life, story, ledger, backends, firstByteMs, leaving, left }: WireParts): Transport {
  return <T>({ url }: { url: string }, ended: (sent: T, outcome: Outcome) => void): Wire<T> => {
    const backend = backends.find((b) => b.url === url)!
    const open = new Map<Request, { readonly sentAt: number; readonly end: (outcome: Outcome) => void }>()
    const over = (request: Request): boolean => {
      if (!open.delete(request)) return false
      backend.calls.delete(request)
      ledger.line(request.key).open--
      return true
    }
    life.onCrash(() => {
      for (const request of open.keys()) {
        over(request)
        backend.leave(request)
      }
    })

    function send(sent: T, body: Buffer) {
      if (!life.alive) return { abort() {} } // NOTE: it crashed in this very tick, and what it still does in it reaches nobody
      const [, key = '?', kind = '?'] = named.exec(body.toString('latin1')) ?? []
      const seen = ledger.line(key)
      leaving(key)
      story.tell(life.name, 'sends', key, 'to', url)
      seen.sends++
      ledger.busy = life
      seen.open++
      const request: Request = {
        key,
        kind,
        end: (outcome) =>
          life.deliver(() => {
            if (!over(request)) return
            story.tell(life.name, 'hears of', key, outcome.kind === 'answered' ? outcome.status : outcome.kind)
            if (isFinal(outcome)) {
              seen.delivered++
              ledger.progressAt = time.now
            }
            ended(sent, outcome)
          }),
      }
      open.set(request, { sentAt: time.now, end: (outcome) => void (over(request) && ended(sent, outcome)) })
      backend.calls.add(request)
      left(backend, open.size)
      time.at(time.now + 1, () => open.has(request) && backend.receive(request))
      return {
        abort() {
          if (over(request)) time.at(time.now + 1, () => backend.leave(request))
        },
      }
    }

    return {
      send(sent, _path, body) {
        if (!Buffer.isBuffer(body)) throw new Error('there is no audio in this world')
        return send(sent, body)
      },
      ask: async (_path, signal) => {
        await life.clock.sleep(2, signal)
        if (signal.aborted) return undefined
        return backend.up ? answerOf(200, { data: backend.models.map((id) => ({ id })) }) : unreachable
      },
      sweep(now) {
        for (const [request, { sentAt, end }] of open)
          if (now - sentAt >= firstByteMs) {
            backend.leave(request)
            ledger.line(request.key).burns++
            end({ kind: 'timeout', phase: 'first-byte' })
          }
      },
      async close() {},
    }
  }
}

const isFinal = (outcome: Outcome): boolean => outcome.kind === 'answered' && (outcome.status === 200 || outcome.status === 400)
