import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openSigningKey } from './signing-key.ts'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'nightshift-signing-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

test('of several that make it at once one does, and it stays', async () => {
  const home = await folder()
  const keys = await Promise.all(Array.from({ length: 8 }, () => openSigningKey({ folder: home, given: null })()))
  expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1)
  expect(keys[0]).toHaveLength(32)
  expect(await openSigningKey({ folder: home, given: null })()).toEqual(keys[0])
  expect(await readdir(home)).toEqual(['signing.key'])
  expect((await stat(join(home, 'signing.key'))).mode & 0o077, 'its owner’s alone').toBe(0)
})

test('what the operator gave counts, and no file is made', async () => {
  const home = await folder()
  const [a, b] = ['a'.repeat(32), 'b'.repeat(32)].map((given) => openSigningKey({ folder: home, given }))
  expect(await a?.()).toEqual(await openSigningKey({ folder: 'elsewhere', given: 'a'.repeat(32) })())
  expect(await a?.()).not.toEqual(await b?.())
  expect(await readdir(home)).toEqual([])
})

test('a file that is no key is told, and not written over', async () => {
  const home = await folder()
  await writeFile(join(home, 'signing.key'), 'short')
  await expect(openSigningKey({ folder: home, given: null })()).rejects.toThrow('is not a signing key')
})
