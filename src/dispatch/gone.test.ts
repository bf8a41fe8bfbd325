import { expect, test } from 'vitest'
import { dispatchSettings } from '../../test/support/dispatch-settings.ts'
import { handClock } from '../../test/support/hand-clock.ts'
import { named, scriptedFeed, statusOf } from '../../test/support/scripted-feed.ts'
import { answers, listsModels, scriptedTransport, type Script } from '../../test/support/scripted-wire.ts'
import { makeDispatcher } from './dispatcher.ts'
import type { BackendSettings } from './feed.ts'

const gone = answers(404, {
  body: '{"error":{"message":"The model `m` does not exist.","type":"NotFoundError","param":"model","code":404}}',
})
const loading = answers(500, {
  body: '{"error":{"message":"unexpected server status: llm server loading model","type":"api_error"}}',
})

function start(script: Script, backends: readonly Partial<BackendSettings>[] = [{}]) {
  const clock = handClock()
  const dispatcher = makeDispatcher({
    settings: dispatchSettings(
      backends.map((its, i) => ({
        url: `http://${i}`,
        key: null,
        headers: {},
        models: null,
        endpoints: null,
        maxInFlight: 8,
        ...its,
      })),
      8,
    ),
    clock,
    random: () => 0.5,
    events: { attempted() {}, audioHeard() {}, backendShut() {}, backendOpen() {} },
    transport: scriptedTransport(clock, script),
  })
  void dispatcher.run(new AbortController().signal)
  return { clock, dispatcher }
}

test('a model that was unloaded costs its lines an attempt at most; they wait until it is there again', async () => {
  let loaded = true
  let calls = 0
  const { clock, dispatcher } = start({
    ask: () => (loaded ? listsModels('m', 'n') : listsModels('n')),
    call: (call) => (calls++, call.end(loaded ? answers(200) : gone, 100)),
  })
  await clock.advance(10_000)
  loaded = false
  const feed = scriptedFeed(named('line', 100))
  dispatcher.add(feed)
  await clock.advance(600_000)
  expect(feed.ends.size).toBe(0)
  expect(calls).toBeLessThanOrEqual(16)
  expect(dispatcher.capacity('m', '/v1/chat/completions')).toBe(0)
  loaded = true
  await clock.advance(70_000)
  expect([...feed.ends.values()].map(statusOf)).toEqual(Array(100).fill(200))
})

test('where a backend says that it has not what it lists, its answer stands in the end, and it is not asked all the time', async () => {
  let asked = 0
  const tries = new Map<string, number>()
  const { clock, dispatcher } = start({
    ask: () => (asked++, listsModels('m')),
    call: (call) => (tries.set(call.body, (tries.get(call.body) ?? 0) + 1), call.end(gone, 10)),
  })
  await clock.advance(5_000)
  const before = asked
  const feed = scriptedFeed(named('line', 200))
  dispatcher.add(feed)
  await clock.advance(40_000)
  expect([...feed.ends.values()].map(statusOf)).toEqual(Array(200).fill(404))
  expect(new Set(tries.values())).toEqual(new Set([5]))
  expect(asked - before).toBeLessThan(40)
})

test('another backend that has the model gets the line', async () => {
  const urls: string[] = []
  const { clock, dispatcher } = start(
    { call: (call) => (urls.push(call.url), call.end(call.url === 'http://0' ? gone : answers(200), 10)) },
    [{ models: ['m'] }, { models: ['m'] }],
  )
  const feed = scriptedFeed(['line'])
  dispatcher.add(feed)
  await clock.advance(5_000)
  expect(urls).toEqual(['http://0', 'http://1'])
  expect([...feed.ends.values()].map(statusOf)).toEqual([200])
})

test('a model that loads is waited for, and the operator is told why nothing moves', async () => {
  let ready = false
  let calls = 0
  const { clock, dispatcher } = start(
    { ask: () => listsModels('m'), call: (call) => (calls++, call.end(ready ? answers(200) : loading, 10)) },
    [{ models: ['m'] }],
  )
  const feed = scriptedFeed(named('line', 50))
  dispatcher.add(feed)
  await clock.advance(120_000)
  expect(calls).toBeLessThan(120)
  expect(dispatcher.backends()[0]?.trouble).toBe('it accepts nothing: it is loading the model (500)')
  ready = true
  await clock.advance(120_000)
  expect([...feed.ends.values()].map(statusOf)).toEqual(Array(50).fill(200))
})

test('a prompt that is too long is sent once, though its backend calls that its own error', async () => {
  let calls = 0
  const tooLong = answers(500, {
    body: '{"error":{"code":500,"message":"input is too large to process. increase the physical batch size","type":"server_error"}}',
  })
  const { clock, dispatcher } = start({ call: (call) => (calls++, call.end(tooLong, 10)) }, [{ models: ['m'] }])
  const feed = scriptedFeed(['line'])
  dispatcher.add(feed)
  await clock.advance(1_000)
  expect(calls).toBe(1)
  expect([...feed.ends.values()].map(statusOf)).toEqual([500])
})
