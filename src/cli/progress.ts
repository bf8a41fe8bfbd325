import { Presets, SingleBar } from 'cli-progress'
import { formatTime } from '../config/units.ts'
import type { Terminal } from './terminal.ts'

export interface Seen {
  readonly status: string
  readonly total: number
  readonly completed: number
  readonly failed: number
  readonly tokens: number
}

/** Shows how far a batch is: a bar on a terminal, a line now and then in a pipe, nothing for `--json`. */
export interface Progress {
  show(seen: Seen): void
  end(): void
}

const lineEveryMs = 5000

export function openProgress(t: Terminal): Progress {
  const startedAt = performance.now()
  let bar: SingleBar | null = null
  let last = { at: -Infinity, status: '' }
  /** What was there when the watching began does not count for the pace. */
  let before: { readonly done: number; readonly tokens: number } | null = null
  const pace = (n: number) => Math.round(Math.max(0, n) / Math.max(0.001, (performance.now() - startedAt) / 1000))

  return {
    show({ status, total, completed, failed, tokens }) {
      if (t.json) return
      const done = completed + failed
      before ??= { done, tokens }
      const lines = pace(done - before.done)
      const left = lines > 0 ? `${formatTime(Math.ceil((total - done) / lines) * 1000)} left` : 'time left not known yet'
      const facts = { status, failed, lines, left, tokens: pace(tokens - before.tokens) }
      if (t.isTerminal && total > 0) {
        if (bar) bar.update(done, facts)
        else {
          bar = new SingleBar(
            {
              format: '{status} {bar} {value}/{total} | {lines} lines/s | {tokens} tokens/s | {failed} failed | {left}',
              hideCursor: true,
              stream: process.stderr,
            },
            Presets.shades_classic,
          )
          bar.start(total, done, facts)
        }
      } else if (status !== last.status || performance.now() - last.at >= lineEveryMs) {
        last = { at: performance.now(), status }
        t.err(`${status}${total > 0 ? `: ${done} of ${total} lines, ${failed} failed, ${facts.lines} lines/s` : ''}\n`)
      }
    },
    end() {
      bar?.stop()
      bar = null
    },
  }
}
