import { expect, test } from 'vitest'
import { makeTime } from './sim-time.ts'

test('who is called off while the event loop turns is not woken, and who comes to stand before the others then is woken before them', async () => {
  const time = makeTime()
  const woken: string[] = []
  const off = new AbortController()
  void time.sleep(10, off.signal).then(() => woken.push('called off'))
  time.at(20, () => woken.push('later'))
  time.at(5, () => {
    woken.push('first')
    setImmediate(() => {
      off.abort()
      time.at(7, () => woken.push('between'))
    })
  })
  await time.run(() => false, 30)
  expect(woken).toEqual(['first', 'called off', 'between', 'later'])
  expect(time.now).toBe(30)
})
