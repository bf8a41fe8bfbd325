import fc from 'fast-check'
import { expect, test } from 'vitest'
import { handClock } from '../../test/support/hand-clock.ts'
import { dispatchSettings } from '../../test/support/dispatch-settings.ts'
import { named, scriptedFeed } from '../../test/support/scripted-feed.ts'
import { answers, broken, listsModels, refused, scriptedTransport } from '../../test/support/scripted-wire.ts'
import type { Outcome } from '../domain/outcome.ts'
import { makeDispatcher } from './dispatcher.ts'
import type { BackendSettings } from './feed.ts'

/** Numbers from a seed (mulberry32). */
function dice(seed: number): () => number {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const rare: readonly Outcome[] = [
  broken,
  refused,
  answers(500),
  answers(429, { retryAfterMs: 1_000 }),
  answers(503),
  answers(503, { retryAfterMs: 30_000 }),
  answers(400),
  { kind: 'timeout', phase: 'first-byte' },
  { kind: 'timeout', phase: 'connect' },
  { kind: 'ours', message: 'EMFILE' },
  { kind: 'too-large', limitBytes: 1 },
  answers(200, { body: 'garbage' }),
]

/** A world of two backends that go down, refuse, break and answer by the dice, three batches of two projects, aborts at any moment. Gives what went wrong. */
async function live(seed: number): Promise<string[]> {
  const random = dice(seed)
  const wrongs: string[] = []
  const clock = handClock()
  const trouble = random() * 0.5
  const downUntil = new Map<string, number>()
  const openLines = new Set<string>()
  const backendsOf: BackendSettings[] = ['http://a', 'http://b'].map((url) => ({
    url,
    key: null,
    headers: {},
    models: random() < 0.5 ? ['m', 'n'] : null,
    endpoints: null,
    maxInFlight: 1 + Math.floor(random() * 12),
  }))
  const isDown = (url: string) => clock.monotonic() < (downUntil.get(url) ?? 0)
  const feeds = ['p', 'p', 'q'].map((projectId, i) =>
    scriptedFeed(named(`${i}/`, 40), { projectId, batchId: `${i}`, model: i === 1 ? 'n' : 'm', maySend: () => random() < 0.95 }),
  )
  const feedOf = (body: string) => feeds[Number(body[0])]!

  const dispatcher = makeDispatcher({
    settings: dispatchSettings(backendsOf, 8),
    clock,
    random,
    events: { attempted() {}, audioHeard() {}, backendShut() {}, backendOpen() {} },
    transport: scriptedTransport(clock, {
      call(call) {
        const { url, body } = call
        const feed = feedOf(body)
        const status = dispatcher.backends().find((b) => b.url === url)!
        if (status.inFlight > backendsOf.find((b) => b.url === url)!.maxInFlight) wrongs.push('above the ceiling')
        if (status.inFlight > status.limit) wrongs.push('above the limit')
        if (feed.ends.has(body)) wrongs.push('sent after its end')
        if (feed.stop.signal.aborted) wrongs.push('sent after its stop')
        if (openLines.has(body)) wrongs.push('sent twice at once')
        openLines.add(body)
        const outcome = isDown(url) ? refused : random() < trouble ? rare[Math.floor(random() * rare.length)]! : answers(200)
        if (random() < 0.01) downUntil.set(url, clock.monotonic() + random() * 20_000)
        const ms = 1 + Math.floor(random() * (random() < 0.1 ? 3_000 : 200))
        void clock.sleep(ms).then(() => openLines.delete(body))
        call.end(outcome, ms)
      },
      ask: ({ url }) => (isDown(url) ? refused : random() < 0.2 ? answers(503) : listsModels('m', 'n')),
    }),
  })
  const stop = new AbortController()
  const running = dispatcher.run(stop.signal)
  for (const feed of feeds) {
    dispatcher.add(feed)
    await clock.advance(random() * 500)
  }
  const aborted = random() < 0.5 ? feeds[Math.floor(random() * 3)]! : undefined
  if (aborted) {
    await clock.advance(random() * 5_000)
    aborted.stop.abort()
    dispatcher.remove(aborted)
    if (aborted.ends.size !== aborted.taken.size) wrongs.push('not stopped at once')
  }
  for (let hour = 0; hour < 40 && feeds.some((f) => f !== aborted && f.ends.size < 40); hour++) await clock.advance(600_000)
  for (const feed of feeds) if (feed !== aborted && feed.ends.size !== 40) wrongs.push(`${feed.ends.size} of 40 lines ended`)
  for (const feed of feeds)
    for (const end of feed.ends.values()) if (end === 'stopped' && feed !== aborted) wrongs.push('stopped without an abort')
  stop.abort()
  await clock.advance(100)
  await running
  for (const { inFlight } of dispatcher.backends()) if (inFlight !== 0) wrongs.push('still in flight')
  return wrongs
}

test('whatever backends do: every taken line ends exactly once, limits and ceilings hold, nothing is sent after its end or its stop', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      expect(await live(seed)).toEqual([])
    }),
    { numRuns: 40 },
  )
})
