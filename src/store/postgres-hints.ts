import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { backoffMs } from '../domain/backoff.ts'
import type { Clock } from '../kit/clock.ts'
import { channels, type Channel, type Queries } from './db.ts'
import { makeHints, type Hints } from './hints.ts'

const channel = 'nightshift'
/** Between two tellings: others need not know each of a hundred creates a second. */
const restMs = 20
const reconnect = { baseMs: 250, maxMs: 10_000 }
const isChannel = (text: string): text is Channel => channels.some((c) => c === text)

/**
 * Hints between processes: NOTIFY through the pool, LISTEN on a connection of its own that is opened again whenever it breaks. Where a pooler breaks LISTEN
 * nothing is heard from others, and polling does it alone.
 */
export function joinFleet(connect: () => pg.Client, query: Queries['query'], clock: Clock): Hints & AsyncDisposable {
  const own = makeHints()
  const me = randomUUID()
  const over = new AbortController()
  const pending = new Set<Channel>()
  let telling = false
  let listening: Promise<void> | undefined

  /** One at a time: what is hinted meanwhile is told once. */
  async function tell(): Promise<void> {
    if (telling) return
    telling = true
    await Promise.resolve() // NOTE: what is hinted in the same breath goes with it
    try {
      while (pending.size > 0 && !over.signal.aborted) {
        const payloads = [...pending].map((next) => `${next} ${me}`)
        pending.clear()
        await query(`select ${payloads.map((_, i) => `pg_notify($1, $${i + 2})`).join(', ')}`, [channel, ...payloads])
        await clock.sleep(restMs, over.signal)
      }
    } catch {
      pending.clear() // NOTE: hints may be lost
    } finally {
      telling = false
    }
  }

  function heard(payload = ''): void {
    const [what = '', whose] = payload.split(' ')
    if (whose !== me && isChannel(what)) own.hint(what)
  }

  async function listenOnce(): Promise<void> {
    const client = connect()
    const ended = new Promise<void>((resolve) => {
      client.once('end', resolve)
      client.on('error', () => resolve())
      over.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    try {
      client.on('notification', ({ payload }) => heard(payload))
      await client.connect()
      await client.query(`listen ${channel}`)
      for (const each of channels) own.hint(each) // NOTE: what was said while nobody listened
      await ended
    } finally {
      await client.end().catch(() => {})
    }
  }

  async function keepListening(): Promise<void> {
    for (let failures = 0; !over.signal.aborted; failures++) {
      const from = clock.monotonic()
      await listenOnce().catch(() => {})
      if (clock.monotonic() - from > reconnect.maxMs) failures = 0
      await clock.sleep(backoffMs(failures, reconnect, Math.random), over.signal)
    }
  }

  return {
    hint(what) {
      own.hint(what)
      pending.add(what)
      void tell()
    },
    listen(what, rung) {
      listening ??= keepListening()
      return own.listen(what, rung)
    },
    async [Symbol.asyncDispose]() {
      over.abort()
      await listening
    },
  }
}
