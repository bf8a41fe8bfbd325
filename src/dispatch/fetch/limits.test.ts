import { getEventListeners, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { handClock } from '../../../test/support/hand-clock.ts'
import { failing, readAll, webWorld, withCode } from '../../../test/support/web-world.ts'
import type { Place } from './dial.ts'

test('what says that it is too large is not read', async () => {
  await using at = await webWorld(
    (_, response) => response.writeHead(200, { 'content-length': 101 }).write('x'),
    {},
    { maxBytes: 100 },
  )
  expect(await failing(at.fetch('http://example.com/'))).toEqual(withCode('url_too_large'))
  await at.server.quiet()
})

test('what turns out to be too large is read to the limit and no further', async () => {
  const endless = (response: ServerResponse) => {
    while (!response.destroyed && response.write(Buffer.alloc(10_000)));
    response.once('drain', () => endless(response))
  }
  await using at = await webWorld((_, response) => endless(response), {}, { maxBytes: 1_000_000 })
  const fetched = await at.fetch('http://example.com/')
  expect(fetched.size).toBeNull()
  let bytes = 0
  const reading = async () => {
    for await (const chunk of fetched.bytes) bytes += chunk.length
  }
  expect(await failing(reading())).toEqual(withCode('url_too_large'))
  expect(bytes).toBeLessThanOrEqual(1_000_000)
  await at.server.quiet()
})

test('what has just the size that is allowed is whole', async () => {
  await using at = await webWorld(
    (_, response) => void (response.write('x'.repeat(60)), response.end('y'.repeat(40))),
    {},
    { maxBytes: 100 },
  )
  expect((await readAll(await at.fetch('http://example.com/'))).length).toBe(100)
})

test('a compressed answer, which may be a bomb, is not unpacked', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000))
  await using at = await webWorld((_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': bomb.length }).end(bomb),
  )
  expect(await failing(at.fetch('http://example.com/'))).toEqual(withCode('url_encoded'))
  await at.server.quiet()
})

/** A promise, and what fulfils it. */
function mark() {
  let reach = () => {}
  const reached = new Promise<void>((resolve) => (reach = resolve))
  return { reach, reached }
}
const forever = () => new Promise<never>(() => {})

test('DNS that never answers, a connection that is never taken and an answer that never begins end by the stall limit', async () => {
  const clock = handClock()
  const asked = mark()
  await using at = await webWorld(() => asked.reach(), { clock })
  const ended = async (run: Promise<unknown>) => {
    const result = failing(run)
    await clock.advance(16_000)
    return result
  }
  expect(await ended(at.fetch('http://example.com/', { resolve: forever }))).toEqual(withCode('url_timeout'))
  const dial = (_: Place, signal: AbortSignal) => once(signal, 'abort').then(() => Promise.reject(signal.reason as Error))
  expect(await ended(at.fetch('http://example.com/', { dial }))).toEqual(withCode('url_unreachable'))
  const silent = at.fetch('http://example.com/')
  await asked.reached
  expect(await ended(silent)).toEqual(withCode('url_timeout'))
  await at.server.quiet()
  expect(clock.sleepers).toBe(0)
})

test('a body that stands still ends by the stall limit, unless it is us who do not read', async () => {
  const clock = handClock()
  await using at = await webWorld((_, response) => response.write('x'), { clock })
  const fetched = await at.fetch('http://example.com/')
  const chunks = fetched.bytes[Symbol.asyncIterator]()
  await chunks.next()
  await clock.advance(60_000)
  expect(at.server.open.size).toBe(1)
  const next = failing(chunks.next())
  await clock.advance(15_000)
  expect(await next).toEqual(withCode('url_timeout'))
  await at.server.quiet()
})

test('a body that comes byte by byte ends by the total limit of what was waited for it', async () => {
  const clock = handClock()
  let drip = () => {}
  await using at = await webWorld((_, response) => (drip = () => void response.write('x'))(), { clock })
  const fetched = await at.fetch('http://example.com/')
  const chunks = fetched.bytes[Symbol.asyncIterator]()
  await chunks.next()
  let seconds = 0
  const dripping = async () => {
    for (;;) {
      const second = clock.advance(1000).then(() => (seconds++, drip()))
      await Promise.all([chunks.next(), second])
    }
  }
  expect(await failing(dripping())).toEqual(withCode('url_timeout'))
  expect(seconds, 'whole ones; the next ends it').toBe(119)
  await at.server.quiet()
  expect(clock.sleepers).toBe(0)
})

test('who reads slowly uses none of the time that the other side has', async () => {
  const clock = handClock()
  await using at = await webWorld((_, response) => (response.write('x'), response.end('y')), { clock })
  const fetched = await at.fetch('http://example.com/')
  await clock.advance(3_600_000)
  expect((await readAll(fetched)).toString()).toBe('xy')
  expect(clock.sleepers).toBe(0)
})

test('an abort closes what is open, wherever it comes, and leaves nothing behind', async () => {
  const clock = handClock()
  const asked = mark()
  const stop = new AbortController()
  const why = new Error('cancelled')
  await using at = await webWorld((_, response) => (response.write('x'), asked.reach()), { clock, signal: stop.signal })
  const fetched = await at.fetch('http://example.com/')
  await asked.reached
  const chunks = fetched.bytes[Symbol.asyncIterator]()
  await chunks.next()
  const next = failing(chunks.next())
  const waiting = failing(at.fetch('http://example.com/', { resolve: forever }))
  stop.abort(why)
  expect([await next, await waiting, await failing(at.fetch('http://example.com/'))]).toEqual([why, why, why])
  await at.server.quiet()
  expect([getEventListeners(stop.signal, 'abort').length, clock.sleepers]).toEqual([0, 0])
})

test('reading to the end, breaking off and closing all close the connection, and a signal that lives on keeps no listener', async () => {
  const clock = handClock()
  const { signal } = new AbortController()
  await using at = await webWorld((_, response) => void (response.write('x'), response.end('y')), { clock, signal })
  await readAll(await at.fetch('http://example.com/'))
  for await (const chunk of (await at.fetch('http://example.com/')).bytes) if (chunk) break
  ;(await at.fetch('http://example.com/')).close()
  await failing(at.fetch('http://localhost/'))
  await at.server.quiet()
  await clock.advance(0)
  expect([getEventListeners(signal, 'abort').length, clock.sleepers]).toEqual([0, 0])
})

test('a body is read no faster than it is wanted', async () => {
  const [total, piece] = [64_000_000, Buffer.alloc(64_000)]
  let written = 0
  const fill = (response: ServerResponse) => {
    while (written < total) {
      written += piece.length
      if (!response.write(piece)) return void response.once('drain', () => fill(response))
    }
    response.end()
  }
  await using at = await webWorld((_, response) => fill(response), {}, { maxBytes: total })
  let [bytes, ahead] = [0, 0]
  for await (const chunk of (await at.fetch('http://example.com/')).bytes) {
    bytes += chunk.length
    ahead = Math.max(ahead, written - bytes)
  }
  expect(bytes).toBe(total)
  expect(ahead).toBeLessThan(24_000_000) // the kernel's buffers on both sides, and little of ours
})
