import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { untilAborted } from './until-aborted.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

test('of a stream that goes on, what was read is kept by nobody', async () => {
  const seen: WeakRef<object>[] = []
  async function* endless() {
    for (let n = 0; ; n++) yield { n, bytes: Buffer.alloc(10_000) }
  }
  const stream = untilAborted(endless(), new AbortController().signal)
  for (let i = 0; i < 200; i++) {
    const { value } = await stream.next()
    if (value) seen.push(new WeakRef(value))
  }
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(seen.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(5)
  await stream.return(undefined)
})

test('an abort ends the wait for a source that is silent, with its reason', async () => {
  const stop = new AbortController()
  async function* silent() {
    yield 1
    await new Promise(() => {})
  }
  const stream = untilAborted(silent(), stop.signal)
  expect((await stream.next()).value).toBe(1)
  const waiting = stream.next()
  stop.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  await expect(untilAborted(silent(), stop.signal).next()).rejects.toThrow('enough')
})
