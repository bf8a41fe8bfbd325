import { expect, test } from 'vitest'
import { handClock } from '../../test/support/hand-clock.ts'
import { dispatchSettings } from '../../test/support/dispatch-settings.ts'
import { named, scriptedFeed, statusOf } from '../../test/support/scripted-feed.ts'
import { answers, broken, refused, scriptedTransport, type ScriptedCall } from '../../test/support/scripted-wire.ts'
import { makeDispatcher } from './dispatcher.ts'
import type { BackendSettings } from './feed.ts'

/** Two backends, `a` with one model and `b` with two, one call at a time each. A line that broke on one of them rather goes to the other. */
function start(call: (call: ScriptedCall) => void) {
  const clock = handClock()
  const backends = [
    { url: 'a', models: ['m'] },
    { url: 'b', models: ['m', 'n'] },
  ].map((its): BackendSettings => ({ ...its, key: null, headers: {}, endpoints: null, maxInFlight: 1 }))
  const dispatcher = makeDispatcher({
    settings: dispatchSettings(backends, 1),
    clock,
    random: () => 0.5,
    events: { attempted() {}, audioHeard() {}, backendShut() {}, backendOpen() {} },
    transport: scriptedTransport(clock, { call, ask: () => refused }),
  })
  void dispatcher.run(new AbortController().signal)
  return { clock, dispatcher }
}
test('a line that broke goes to the same backend again if this worker has no slot of the other', async () => {
  const feed = scriptedFeed(named('line', 1))
  let tries = 0
  const { clock, dispatcher } = start((call) => call.end(tries++ === 0 ? broken : answers(200), 1))
  dispatcher.setCeiling('b', 0)
  dispatcher.add(feed)
  await clock.advance(5_000)
  expect(statusOf(feed.ends.get('line0'))).toBe(200)
})

test.each(['loses its slots', 'is shut'])(
  'a line that waits for another backend goes where it broke when that one %s',
  async (how) => {
    const [feed, other] = [scriptedFeed(named('line', 1)), scriptedFeed(named('other', 1), { model: 'n' })]
    let tries = 0
    const { clock, dispatcher } = start((call) => {
      if (call.body === 'other0') call.end(how === 'is shut' ? refused : answers(200), 10_000)
      else call.end(tries++ === 0 ? broken : answers(200), 1)
    })
    dispatcher.add(other)
    dispatcher.add(feed)
    await clock.advance(9_000)
    expect(feed.ends.size).toBe(0)
    if (how === 'loses its slots') dispatcher.setCeiling('b', 0)
    await clock.advance(2_000)
    expect(statusOf(feed.ends.get('line0'))).toBe(200)
  },
)
