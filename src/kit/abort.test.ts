import { getEventListeners, once } from 'node:events'
import { expect, test } from 'vitest'
import { abortUnder, orAborted } from './abort.ts'
import { systemClock } from './clock.ts'

test('it is aborted with the one above, for its reason', () => {
  const above = new AbortController()
  const { signal } = abortUnder(above.signal)
  expect(signal.aborted).toBe(false)
  above.abort('enough')
  expect(signal.reason).toBe('enough')
  expect(abortUnder(above.signal).signal.reason).toBe('enough')
})

test('its own abort does not reach the one above, and the first reason stays', () => {
  const above = new AbortController()
  const under = abortUnder(above.signal)
  under.abort('mine')
  expect(above.signal.aborted).toBe(false)
  above.abort('enough')
  expect(under.signal.reason).toBe('mine')
})

test('when it leaves, nothing of it stays with the one above', () => {
  const above = new AbortController()
  const under = abortUnder(above.signal)
  under.leave()
  expect(getEventListeners(above.signal, 'abort')).toEqual([])
  above.abort('enough')
  expect(under.signal.aborted).toBe(false)
})

test('there may be none above', () => {
  const under = abortUnder(undefined)
  under.leave()
  under.abort('mine')
  expect(under.signal.reason).toBe('mine')
})

test.each<[string, (signal: AbortSignal) => unknown]>([
  ['sleep', (signal) => systemClock.sleep(60_000, signal)],
  ['wait for a step', (signal) => orAborted(new Promise(() => {}), signal).catch(() => {})],
  ['follow', abortUnder],
])('many may %s under one signal, and nobody is warned of a leak', async (_, listen) => {
  const warned: string[] = []
  const hear = ({ name }: Error) => void warned.push(name)
  process.on('warning', hear)
  const stop = new AbortController()
  for (let i = 0; i < 20; i++) listen(stop.signal)
  process.emitWarning('the last', { type: 'Last' })
  while (warned.at(-1) !== 'Last') await once(process, 'warning')
  process.off('warning', hear)
  stop.abort('enough')
  expect(warned).toEqual(['Last'])
})
