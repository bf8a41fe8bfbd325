import { expect, test } from 'vitest'
import { systemResolve } from './lookup.ts'

test('a host that the operator allows is looked up as any program of this machine would', async () => {
  const found = await systemResolve('localhost', true, new AbortController().signal)
  expect(found).toContain('127.0.0.1')
  expect(found[0]).toBe('127.0.0.1')
})

test('a look-up that is stopped asks no longer', async () => {
  const stop = new AbortController()
  const looking = systemResolve('example.invalid', false, stop.signal)
  stop.abort()
  await expect(looking).rejects.toMatchObject({ code: 'ECANCELLED' })
})
