import type { BackendSettings } from '../../src/dispatch/feed.ts'
import type { Transport } from '../../src/dispatch/http/transport.ts'
import type { Outcome } from '../../src/domain/outcome.ts'
import type { Clock } from '../../src/kit/clock.ts'

/** A call as a scripted backend sees it. Exactly one of `end` and an abort takes effect. */
export interface ScriptedCall {
  readonly url: string
  readonly body: string
  /** Ends it after so many milliseconds of the given clock. */
  end(outcome: Outcome, afterMs: number): void
  readonly open: boolean
}

export interface Script {
  call(call: ScriptedCall): void
  /** What `GET /v1/models` comes to. By default a refused connection. */
  ask?(backend: BackendSettings): Outcome
}

/** A transport without a network: backends are a script, time is the clock's. */
export function scriptedTransport(clock: Clock, script: Script): Transport {
  return (backend, ended) => ({
    send(sent, _path, body) {
      if (!Buffer.isBuffer(body)) throw new Error('a script has no audio')
      let open = true
      script.call({
        url: backend.url,
        body: body.toString(),
        get open() {
          return open
        },
        end(outcome, afterMs) {
          void clock.sleep(Math.max(1, afterMs)).then(() => {
            if (!open) return
            open = false
            ended(sent, outcome)
          })
        },
      })
      return { abort: () => void (open = false) }
    },
    async ask(_path, signal) {
      await clock.sleep(1, signal)
      return signal.aborted ? undefined : (script.ask?.(backend) ?? refused)
    },
    sweep() {},
    async close() {},
  })
}

export const refused: Outcome = { kind: 'unreachable', message: 'ECONNREFUSED' }
export const broken: Outcome = { kind: 'broken', message: 'ECONNRESET' }
export const answers = (status: number, more: { retryAfterMs?: number; body?: string } = {}): Outcome => ({
  kind: 'answered',
  status,
  requestId: null,
  retryAfterMs: more.retryAfterMs ?? null,
  body: [Buffer.from(more.body ?? '{}')],
})
export const listsModels = (...ids: string[]): Outcome =>
  answers(200, { body: JSON.stringify({ data: ids.map((id) => ({ id })) }) })
