import { afterEach, expect, test } from 'vitest'
import { handClock, type HandClock } from '../../test/support/hand-clock.ts'
import { dispatchSettings } from '../../test/support/dispatch-settings.ts'
import { named, scriptedFeed, statusOf, type ScriptedFeed } from '../../test/support/scripted-feed.ts'
import {
  answers,
  broken,
  listsModels,
  refused,
  scriptedTransport,
  type Script,
  type ScriptedCall,
} from '../../test/support/scripted-wire.ts'
import { makeDispatcher } from './dispatcher.ts'
import type { BackendSettings, DispatchSettings } from './feed.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const backend = (more: Partial<BackendSettings> = {}): BackendSettings => ({
  url: 'http://a',
  key: null,
  headers: {},
  models: ['m'],
  endpoints: null,
  maxInFlight: 64,
  ...more,
})

function start(script: Script, backends: readonly BackendSettings[] = [backend()], more: Partial<DispatchSettings> = {}) {
  const clock = handClock()
  const seed = { n: 1 }
  const log: string[] = []
  const dispatcher = makeDispatcher({
    settings: dispatchSettings(backends, 32, more),
    clock,
    random: () => (seed.n = (seed.n * 16807) % 2147483647) / 2147483647,
    events: {
      attempted() {},
      audioHeard() {},
      backendShut: (url, why) => log.push(`shut ${url}: ${why}`),
      backendOpen: (url) => log.push(`open ${url}`),
    },
    transport: scriptedTransport(clock, script),
  })
  const stop = new AbortController()
  const running = dispatcher.run(stop.signal)
  closing.push(async () => {
    stop.abort()
    await clock.advance(100)
    await running
  })
  return { clock, dispatcher, log, stop, running }
}

async function until(clock: HandClock, done: () => boolean, atMostMs: number, stepMs = 10): Promise<number> {
  for (let ms = 0; ms < atMostMs; ms += stepMs) {
    if (done()) return ms
    await clock.advance(stepMs)
  }
  throw new Error(`not within ${atMostMs} ms`)
}
const allEnded =
  (...feeds: ScriptedFeed[]) =>
  () =>
    feeds.every((f) => f.left.length === 0 && f.ends.size === f.taken.size)
const statuses = (feed: ScriptedFeed) => [...new Set([...feed.ends.values()].map(statusOf))]

/** Takes `slots` at once and refuses what is above, as an inference server with a bounded queue does. */
function slots(limit: number, serviceMs: (n: number) => number): Script & { refusals: number; clock: HandClock | undefined } {
  let n = 0
  const script = {
    open: 0,
    refusals: 0,
    clock: undefined as HandClock | undefined,
    call(call: ScriptedCall) {
      if (script.open >= limit) {
        script.refusals++
        return call.end(answers(429, { retryAfterMs: 1000 }), 2)
      }
      script.open++
      const ms = serviceMs(n++)
      void script.clock?.sleep(ms).then(() => script.open--)
      call.end(answers(200), ms)
    },
  }
  return script
}

test('a backend that takes 32 at once and refuses what is above is kept at 95 % of what it can, and no line ends as a 429', async () => {
  const script = slots(32, (n) => 400 + ((n * 7919) % 200))
  const { clock, dispatcher } = start(script, [backend({ maxInFlight: 256 })])
  script.clock = clock
  const feed = scriptedFeed(named('line', 6_400))
  dispatcher.add(feed)
  const tookMs = await until(clock, allEnded(feed), 300_000, 100)
  expect(statuses(feed)).toEqual([200])
  expect(((6_400 / 32) * 500) / tookMs).toBeGreaterThan(0.95)
  expect(script.refusals).toBeLessThan(6_400 * 0.1)
})

test('a backend whose models are listed is there when it answers, whatever it says of its models', async () => {
  let well = false
  const { clock, dispatcher } = start(
    { ask: () => (well ? answers(501) : refused), call: (call) => call.end(well ? answers(200) : refused, 5) },
    [backend({ models: ['m'] })],
  )
  const feed = scriptedFeed(named('line', 5))
  dispatcher.add(feed)
  await clock.advance(2_000)
  expect(dispatcher.backends()[0]).toMatchObject({ state: 'closed' })
  well = true
  await until(clock, allEnded(feed), 20_000)
  expect(statuses(feed)).toEqual([200])
})

test('what refuses everything is left alone but for a line now and then, and is found when it takes again', async () => {
  let well = false
  let calls = 0
  const { clock, dispatcher } = start({ call: (call) => (calls++, call.end(well ? answers(200) : answers(503), 5)) })
  const feed = scriptedFeed(named('line', 500))
  dispatcher.add(feed)
  await clock.advance(600_000)
  expect(calls).toBeLessThan(32 + 600 * 2)
  expect(feed.ends.size).toBe(0)
  expect(dispatcher.backends()[0]).toMatchObject({ state: 'closed', trouble: expect.stringContaining('503') })
  well = true
  await until(clock, allEnded(feed), 90_000)
  expect(statuses(feed)).toEqual([200])
})

test('a backend that is away costs no attempt; it is probed, and lines go on when it is back', async () => {
  let well = false
  let calls = 0
  const { clock, dispatcher, log } = start({
    call: (call) => (calls++, call.end(well ? answers(200) : refused, 2)),
    ask: () => (well ? answers(404) : refused),
  })
  const feed = scriptedFeed(named('line', 100))
  dispatcher.add(feed)
  await clock.advance(3_600_000)
  expect(calls).toBe(32)
  expect(dispatcher.backends()[0]).toMatchObject({ state: 'closed', trouble: 'it cannot be reached (ECONNREFUSED)' })
  expect(dispatcher.capacity('m', '/v1/chat/completions')).toBe(0)
  well = true
  await until(clock, allEnded(feed), 10_000)
  expect(statuses(feed)).toEqual([200])
  expect(log).toEqual(['shut http://a: it cannot be reached (ECONNREFUSED)', 'open http://a'])
})

/** Dies of the line `poison`: every open connection breaks, and for `downMs` nobody is there. */
function mortal(clock: () => HandClock, serviceMs: number, downMs: number) {
  const open = new Set<ScriptedCall>()
  const script = {
    deaths: 0,
    refused: 0,
    refusedAt: 0,
    poisoned: 0,
    sentWith: [] as number[],
    downUntil: 0,
    die() {
      script.deaths++
      script.downUntil = clock().monotonic() + downMs
      for (const call of open) call.end(broken, 1 + (open.size % 3))
      open.clear()
    },
    call(call: ScriptedCall) {
      for (const old of open) if (!old.open) open.delete(old)
      if (clock().monotonic() < script.downUntil) return call.end(refused, 1)
      open.add(call)
      if (call.body === 'poison') {
        script.poisoned++
        script.sentWith.push(open.size - 1)
        return void clock()
          .sleep(20)
          .then(() => script.die())
      }
      call.end(answers(200), serviceMs)
    },
    ask: () => (clock().monotonic() < script.downUntil ? refused : listsModels('m')),
  }
  return script
}

test('a line that kills the backend ends in the error file after its attempts, and takes no other line with it', async () => {
  let clock: HandClock
  const script = mortal(() => clock, 300, 2_000)
  const started = start(script)
  clock = started.clock
  const names = named('line', 3_000)
  const feed = scriptedFeed([...names.slice(0, 100), 'poison', ...names.slice(100)])
  started.dispatcher.add(feed)
  await until(clock, allEnded(feed), 600_000, 50)
  expect(statusOf(feed.ends.get('poison'))).toBe('backend_unreachable')
  feed.ends.delete('poison')
  expect(statuses(feed)).toEqual([200])
  expect(feed.ends.size).toBe(3_000)
  expect(script.sentWith.slice(-5)).toEqual([0, 0, 0, 0, 0])
  expect(script.deaths).toBe(7)
})

test('after a mere restart the lines that were in flight come back one, two, four at a time, beside new ones', async () => {
  let clock: HandClock
  const script = mortal(() => clock, 100, 1_000)
  const seen = new Map<string, number>()
  const open = { again: 0, first: 0 }
  const again: number[] = []
  let mostBeside = 0
  const started = start({
    ask: script.ask,
    call(call) {
      if (clock.monotonic() < script.downUntil) return script.call(call)
      const nth = (seen.get(call.body) ?? 0) + 1
      seen.set(call.body, nth)
      const kind = nth > 1 ? 'again' : 'first'
      open[kind]++
      if (kind === 'again') again.push(open.again)
      if (open.again > 0) mostBeside = Math.max(mostBeside, open.first)
      void clock.sleep(100).then(() => open[kind]--)
      script.call(call)
    },
  })
  clock = started.clock
  const feed = scriptedFeed(named('line', 2_000))
  started.dispatcher.add(feed)
  await clock.advance(250)
  script.die()
  await until(clock, allEnded(feed), 60_000)
  expect(statuses(feed)).toEqual([200])
  expect([...seen.values()].filter((n) => n > 1).length).toBeGreaterThan(20)
  expect([1, 3, 7].map((n) => Math.max(...again.slice(0, n)))).toEqual([1, 2, 4])
  expect(Math.max(...again)).toBeGreaterThan(8)
  expect(mostBeside).toBeGreaterThan(20)
})

test('a connection that breaks alone burns an attempt, though others are in flight', async () => {
  const tries = new Map<string, number>()
  const { clock, dispatcher } = start({
    call(call) {
      tries.set(call.body, (tries.get(call.body) ?? 0) + 1)
      call.end(call.body === 'bad' ? broken : answers(200), call.body === 'bad' ? 10 : 4_000)
    },
  })
  const feed = scriptedFeed(['bad', ...named('line', 400)])
  dispatcher.add(feed)
  await until(clock, allEnded(feed), 300_000, 50)
  expect(statusOf(feed.ends.get('bad'))).toBe('backend_unreachable')
  expect(tries.get('bad')).toBe(5)
  expect(tries.get('line7')).toBe(1)
})

test('a line that is late or broken goes to another backend, if there is one', async () => {
  const urls: string[] = []
  const { clock, dispatcher } = start(
    {
      call(call) {
        urls.push(call.url)
        call.end(call.url === 'http://a' ? { kind: 'timeout', phase: 'first-byte' } : answers(200), 10)
      },
    },
    [backend(), backend({ url: 'http://b' })],
  )
  const feed = scriptedFeed(named('line', 2))
  dispatcher.add(feed)
  await until(clock, allEnded(feed), 10_000)
  expect(urls).toEqual(['http://a', 'http://b', 'http://b'])
  expect(statuses(feed)).toEqual([200])
})

test('an answer that burns is sent again, and the last one stands', async () => {
  let calls = 0
  const { clock, dispatcher } = start({ call: (call) => (calls++, call.end(answers(500, { body: 'oops' }), 5)) })
  const feed = scriptedFeed(['line'])
  dispatcher.add(feed)
  await until(clock, allEnded(feed), 60_000)
  expect(calls).toBe(5)
  expect(feed.ends.get('line')).toMatchObject({ status: 500, body: [Buffer.from('{"error":{"message":"oops"}}')] })
})

test('slots go to projects by tokens, and within a project to the soonest and the smallest batch in turn', async () => {
  const order: string[] = []
  const { clock, dispatcher } = start({ call: (call) => (order.push(call.body.slice(0, 2)), call.end(answers(200), 10)) }, [
    backend({ maxInFlight: 1 }),
  ])
  const big = scriptedFeed(named('a1', 1_000), { projectId: 'a' })
  dispatcher.add(big)
  await clock.advance(100)
  const second = scriptedFeed(named('a2', 20), { projectId: 'a' })
  const other = scriptedFeed(named('b1', 20), { projectId: 'b' })
  dispatcher.add(second)
  dispatcher.add(other)
  order.length = 0
  await clock.advance(250)
  const count = (name: string) => order.slice(0, 20).filter((n) => n === name).length
  expect(count('b1')).toBe(10)
  expect(count('a2')).toBe(5)
  await until(clock, allEnded(other, second), 2_000)
  expect(big.left.length).toBeGreaterThan(800)
  big.stop.abort()
})

test('the end of one batch never idles a lane while another has lines', async () => {
  let open = 0
  const idle: number[] = []
  const { clock, dispatcher } = start(
    {
      call(call) {
        open++
        const ms = call.body === 'slow' ? 5_000 : 50
        call.end(answers(200), ms)
        void clock.sleep(ms).then(() => open--)
      },
    },
    [backend({ maxInFlight: 8 })],
  )
  const tail = scriptedFeed(['slow', ...named('short', 20)], { batchId: 'tail' })
  const next = scriptedFeed(named('next', 2_000), { batchId: 'next' })
  dispatcher.add(tail)
  dispatcher.add(next)
  for (let ms = 0; ms < 4_000; ms += 20) {
    await clock.advance(20)
    idle.push(8 - dispatcher.backends()[0]!.inFlight)
  }
  expect(Math.max(...idle)).toBe(0)
  next.stop.abort()
  tail.stop.abort()
})

test('several backends with one model are filled alike, relative to their limits', async () => {
  const sent: Record<string, number> = { 'http://a': 0, 'http://b': 0 }
  const { dispatcher } = start({ call: (call) => void sent[call.url]!++ }, [
    backend({ maxInFlight: 30 }),
    backend({ url: 'http://b', maxInFlight: 10 }),
  ])
  const feed = scriptedFeed(named('line', 20))
  dispatcher.add(feed)
  expect(sent).toEqual({ 'http://a': 15, 'http://b': 5 })
  feed.stop.abort()
})

test('where there is more room than lines, a backend of twice the weight gets twice as many, also one at a time', async () => {
  const sent: Record<string, number> = { 'http://a': 0, 'http://b': 0 }
  const { clock, dispatcher } = start({ call: (call) => (sent[call.url]!++, call.end(answers(200), 5)) }, [
    backend({ weight: 2 }),
    backend({ url: 'http://b' }),
  ])
  for (let n = 0; n < 30; n++) {
    const feed = scriptedFeed(['line'])
    dispatcher.add(feed)
    await until(clock, allEnded(feed), 1_000)
  }
  expect(sent).toEqual({ 'http://a': 20, 'http://b': 10 })
})

test('weights idle nobody: with lines enough every backend is full', () => {
  const { dispatcher } = start({ call: () => {} }, [
    backend({ weight: 100, maxInFlight: 8 }),
    backend({ url: 'http://b', maxInFlight: 8 }),
  ])
  const feed = scriptedFeed(named('line', 100))
  dispatcher.add(feed)
  expect(dispatcher.backends().map(({ inFlight }) => inFlight)).toEqual([8, 8])
  feed.stop.abort()
})

test('a backend that serves only some endpoints gets only those', async () => {
  const urls: string[] = []
  const { clock, dispatcher } = start({ call: (call) => (urls.push(`${call.body} ${call.url}`), call.end(answers(200), 5)) }, [
    backend({ endpoints: ['/v1/embeddings'] }),
    backend({ url: 'http://b', endpoints: ['/v1/chat/completions'] }),
  ])
  const chat = scriptedFeed(['chat'])
  const embed = scriptedFeed(['embed'], { endpoint: '/v1/embeddings' })
  dispatcher.add(chat)
  dispatcher.add(embed)
  await until(clock, allEnded(chat, embed), 1_000)
  expect(urls.toSorted()).toEqual(['chat http://b', 'embed http://a'])
  expect(dispatcher.capacity('m', '/v1/embeddings')).toBe(32)
  expect(dispatcher.capacity('other', '/v1/embeddings')).toBe(0)
})

test('models of one backend share its ceiling, and neither starves the other', async () => {
  let most = 0
  const { clock, dispatcher } = start(
    {
      call(call) {
        most = Math.max(most, dispatcher.backends()[0]!.inFlight)
        call.end(answers(200), 50)
      },
    },
    [backend({ models: ['m', 'n'], maxInFlight: 10 })],
  )
  const m = scriptedFeed(named('m', 400))
  const n = scriptedFeed(named('n', 400), { model: 'n' })
  dispatcher.add(m)
  await clock.advance(60)
  dispatcher.add(n)
  await clock.advance(1_000)
  expect(most).toBe(10)
  expect(n.ends.size).toBeGreaterThan(80)
  expect(m.ends.size).toBeGreaterThan(80)
  m.stop.abort()
  n.stop.abort()
})

test('an abort ends every line of its signal at once: in flight, waiting for an attempt, held for a verdict', async () => {
  const { clock, dispatcher } = start({
    call(call) {
      if (call.body.startsWith('wait')) call.end(answers(429, { retryAfterMs: 60_000 }), 5)
      if (call.body.startsWith('break')) call.end(broken, 5)
    },
  })
  const feed = scriptedFeed(['wait', 'break', ...named('fly', 10)])
  const other = scriptedFeed(['other'])
  dispatcher.add(feed)
  dispatcher.add(other)
  await clock.advance(50)
  expect(feed.ends.size).toBe(0)
  feed.stop.abort()
  expect(feed.ends.size).toBe(12)
  expect(statuses(feed)).toEqual(['stopped'])
  expect(dispatcher.backends()[0]!.inFlight).toBe(1)
  await clock.advance(120_000)
  other.stop.abort()
})

test('a line whose lease is not fresh waits, is asked about again, and is not sent before', async () => {
  let fresh = true
  const calls: number[] = []
  const { clock, dispatcher } = start({
    call: (call) => (calls.push(clock.monotonic()), call.end(calls.length === 1 ? answers(500) : answers(200), 5)),
  })
  const feed = scriptedFeed(['line'], { maySend: () => fresh })
  dispatcher.add(feed)
  fresh = false
  await clock.advance(30_000)
  expect(calls).toHaveLength(1)
  fresh = true
  await clock.advance(200)
  expect(calls).toHaveLength(2)
  expect(statuses(feed)).toEqual([200])
})

test('models are discovered, told, and refreshed; a line waits for a backend that has its model', async () => {
  let models = ['x']
  const { clock, dispatcher } = start({ call: (call) => call.end(answers(200), 5), ask: () => listsModels(...models) }, [
    backend({ models: null }),
  ])
  const heard: string[] = []
  dispatcher.onModels((url, all) => heard.push(`${url} ${all.join()}`))
  const feed = scriptedFeed(['line'])
  dispatcher.add(feed)
  expect(dispatcher.backends()[0]).toMatchObject({ models: null, state: 'closed' })
  await clock.advance(1_000)
  expect(heard).toEqual(['http://a x'])
  expect(feed.taken.size).toBe(0)
  models = ['x', 'm']
  await clock.advance(61_000)
  expect(heard).toEqual(['http://a x', 'http://a x,m'])
  expect(statuses(feed)).toEqual([200])
})

test('a backend without a list of models says what to do', async () => {
  const { clock, dispatcher } = start({ call() {}, ask: () => answers(404) }, [backend({ models: null })])
  await clock.advance(1_000)
  expect(dispatcher.backends()[0]).toMatchObject({
    state: 'closed',
    trouble: expect.stringContaining('list them in the settings'),
  })
})

test('a slow list of models is not taken for death', async () => {
  const { clock, dispatcher } = start(
    {
      call: (call) => call.end(answers(200), 5),
      ask: () => (clock.monotonic() < 1_000 ? listsModels('m') : { kind: 'timeout', phase: 'first-byte' }),
    },
    [backend({ models: null })],
  )
  await clock.advance(600_000)
  expect(dispatcher.backends()[0]).toMatchObject({ state: 'open', trouble: null })
})

test('when stopped, nothing more is taken; it resolves when the last call is closed', async () => {
  const { clock, dispatcher, stop, running } = start({ call: (call) => call.end(answers(200), 500) }, [
    backend({ maxInFlight: 4 }),
  ])
  const feed = scriptedFeed(named('line', 100))
  dispatcher.add(feed)
  let over = false
  void running.then(() => (over = true))
  stop.abort()
  await clock.advance(400)
  expect(over).toBe(false)
  await clock.advance(200)
  expect(over).toBe(true)
  expect(feed.taken.size).toBe(4)
  expect(statuses(feed)).toEqual([200])
})

test('a feed that is removed gives no more lines, but those that were taken end', async () => {
  const { clock, dispatcher } = start({ call: (call) => call.end(call.body === 'line0' ? answers(200) : answers(500), 50) }, [
    backend({ maxInFlight: 2 }),
  ])
  const feed = scriptedFeed(named('line', 100))
  dispatcher.add(feed)
  dispatcher.remove(feed)
  await until(clock, () => feed.ends.size === 2, 60_000)
  expect([...feed.ends.values()].map(statusOf)).toEqual([200, 500])
  expect(feed.taken.size).toBe(2)
})

test('lines that are refused each time, for their own sake, hold up nobody else', async () => {
  const { clock, dispatcher } = start({
    call: (call) => call.end(call.body.startsWith('bad') ? answers(502) : answers(200), 100),
  })
  const bad = scriptedFeed(named('bad', 100), { projectId: 'q' })
  const good = scriptedFeed(named('good', 40_000), { projectId: 'p' })
  dispatcher.add(bad)
  dispatcher.add(good)
  await clock.advance(60_000)
  expect(good.ends.size).toBeGreaterThan(15_000)
  expect([dispatcher.backends()[0]?.limit, bad.taken.size, bad.ends.size]).toEqual([64, 100, 0])
})
