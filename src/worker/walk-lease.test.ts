import { expect, test } from 'vitest'
import { handClock } from '../../test/support/hand-clock.ts'
import type { Batch } from '../domain/batch.ts'
import type { Db } from '../store/db.ts'
import { Abandoned, underLease } from './walk-lease.ts'

/** Work under a lease that needs no renewing yet, so that nothing is asked of a database. */
function begin<T>(work: (signal: AbortSignal) => Promise<T>) {
  const clock = handClock()
  const stop = new AbortController()
  const settings = { leaseMs: 60_000, renewMs: 30_000 } as Parameters<typeof underLease>[0]['settings']
  const ended = underLease({ db: {} as Db, clock, settings }, { batch: {} as Batch, fence: 1 }, stop.signal, work).then(
    (value) => value,
    (error: unknown) => error,
  )
  return { clock, stop: () => stop.abort(new Error('stop')), ended }
}

test('what cannot be taken back any more may end after the stop, and counts', async () => {
  let appear: (value: string) => void = () => {}
  const { clock, stop, ended } = begin(() => new Promise<string>((resolve) => (appear = resolve)))
  stop()
  await clock.advance(1500)
  appear('published')
  expect(await ended).toBe('published')
})

test('work that ends at the stop says why', async () => {
  const { stop, ended } = begin(
    (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
  )
  stop()
  expect(await ended).toMatchObject({ message: 'stop' })
})

test('work that does not end is left after a while, and its lease is not to be given back', async () => {
  const { clock, stop, ended } = begin(() => new Promise(() => {}))
  stop()
  let left: unknown
  void ended.then((error) => (left = error))
  await clock.advance(1999)
  expect(left).toBeUndefined()
  await clock.advance(1)
  expect(await ended).toBeInstanceOf(Abandoned)
})
