import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { makeBreaker, type Breaker, type Out } from './breaker.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const pass = (ms: number) => vi.advanceTimersByTime(ms)

/** Calls by their names, and those that were cut. */
function open() {
  const breaker: Breaker = makeBreaker({ silentMs: 5000, restMs: 4000 }, () => Date.now())
  const cut: string[] = []
  const out = new Map<string, Out>()
  const ours = { full: false }
  const call = (...names: string[]) =>
    names.map((name) => {
      const entered = breaker.enter(
        () => {
          cut.push(name)
          out.get(name)?.leave(true)
        },
        () => ours.full,
      )
      if (entered) out.set(name, entered)
      return entered !== null
    })
  return {
    answered: () => breaker.answered(),
    cut,
    ours,
    call,
    out,
    leave: (name: string, inVain = false) => out.get(name)?.leave(inVain),
  }
}

test('while nothing is answered one waits, and the others are told', () => {
  const { call, cut } = open()
  expect(call('a', 'b', 'c', 'd')).toEqual([true, true, true, true])
  pass(4999)
  expect(cut).toEqual([])
  pass(1)
  expect(cut).toEqual(['b', 'c', 'd'])
  expect(call('e')).toEqual([false])
})

test('an answer to anybody, also before they began to wait for long, says that the server is there', () => {
  const { call, cut, answered } = open()
  call('a', 'b', 'c')
  pass(3000)
  answered()
  call('d', 'e')
  pass(4000)
  expect(cut).toEqual([])
  expect(call('f')).toEqual([true])
})

test('one or two that are slow keep nobody off', () => {
  const { call, cut } = open()
  call('a', 'b')
  pass(60_000)
  expect([cut, call('c')]).toEqual([[], [true]])
})

test('one that waited in vain is enough, after a rest one finds out, and an answer ends it', () => {
  const { call, out, leave, answered } = open()
  call('a')
  leave('a', true)
  expect(call('b')).toEqual([false])
  pass(3999)
  expect(call('c')).toEqual([false])
  pass(1)
  expect(call('d', 'e')).toEqual([true, false])
  expect([out.get('a')?.isProbe, out.get('d')?.isProbe]).toEqual([false, true])
  leave('d', true)
  pass(4000)
  expect(call('f', 'g')).toEqual([true, false])
  answered()
  leave('f')
  expect(call('h', 'i')).toEqual([true, true])
  expect(out.get('h')?.isProbe).toBe(false)
})

test('one that gave up, or that waited in vain while others were answered, says nothing', () => {
  const { call, leave, answered } = open()
  call('a', 'b')
  leave('a')
  pass(1)
  answered()
  leave('b', true)
  expect(call('c')).toEqual([true])
})

test('calls that stand behind others of our own say nothing of the server', () => {
  const { call, cut, ours } = open()
  ours.full = true
  call('a', 'b', 'c', 'd')
  pass(6000)
  expect([cut, call('e')]).toEqual([[], [true]])
  ours.full = false
  pass(5000)
  expect(cut).toEqual(['b', 'c', 'd', 'e'])
})
