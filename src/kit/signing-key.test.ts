import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { keyRotatedAt, openSigningKeys, retireSigningKey, rotateSigningKey } from './signing-key.ts'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'nightshift-signing-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

const newestIn = async (home: string): Promise<Uint8Array> => (await openSigningKeys({ folder: home, given: [] })())[0]

test('of several that make it at once one does, and it stays', async () => {
  const home = await folder()
  const keys = await Promise.all(Array.from({ length: 8 }, () => newestIn(home)))
  expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1)
  expect(keys[0]).toHaveLength(32)
  expect(await newestIn(home)).toEqual(keys[0])
  expect(await readdir(home)).toEqual(['signing.key'])
  expect((await stat(join(home, 'signing.key'))).mode & 0o077, 'its owner’s alone').toBe(0)
})

test('what the operator gave counts, and no file is made', async () => {
  const home = await folder()
  const [one, two] = ['a'.repeat(32), 'b'.repeat(32)]
  const keysOf = (...given: string[]) => openSigningKeys({ folder: home, given })()
  const [a, b] = [await keysOf(one), await keysOf(two)]
  expect(a).toHaveLength(1)
  expect(a[0]).not.toEqual(b[0])
  expect(await keysOf(two, one)).toEqual([b[0], a[0]])
  expect(await readdir(home)).toEqual([])
})

test('a file that is no key is told, and not written over', async () => {
  const home = await folder()
  await writeFile(join(home, 'signing.key'), 'short')
  await expect(newestIn(home)).rejects.toThrow('is not a signing key')
})

test('a rotated key is beside the one before it until that is retired, and one that is not retired is not rotated over', async () => {
  const home = await folder()
  const first = await newestIn(home)
  expect(await keyRotatedAt(home)).toBeNull()
  expect(await rotateSigningKey(home)).toBe(true)
  const [second, ...old] = await openSigningKeys({ folder: home, given: [] })()
  expect(old).toEqual([first])
  expect(second).not.toEqual(first)
  expect(await keyRotatedAt(home)).toBeGreaterThan(Date.now())
  expect(await rotateSigningKey(home)).toBe(false)
  expect(await newestIn(home)).toEqual(second)
  await retireSigningKey(home)
  expect(await openSigningKeys({ folder: home, given: [] })()).toEqual([second])
  expect(await rotateSigningKey(home)).toBe(true)
  expect((await readdir(home)).toSorted()).toEqual(['signing.key', 'signing.key.old'])
  for (const name of await readdir(home)) expect((await stat(join(home, name))).mode & 0o077, name).toBe(0)
})
