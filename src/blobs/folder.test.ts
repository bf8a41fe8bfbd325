import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { blobsContract, whole } from '../../test/support/blobs-contract.ts'
import { openFolder } from './folder.ts'

async function home(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-blobs-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

describe('folder', () => {
  blobsContract(async () => openFolder(await home()))
})

test('what a killed put left half written is swept, and no younger one', async () => {
  const folder = await home()
  await mkdir(join(folder, '.tmp'))
  await writeFile(join(folder, '.tmp/half'), 'x')
  const blobs = openFolder(folder)
  await blobs.sweepTemporary(Date.now() - 60_000)
  expect(await readdir(join(folder, '.tmp'))).toEqual(['half'])
  await blobs.sweepTemporary(Date.now() + 60_000)
  expect(await readdir(join(folder, '.tmp'))).toEqual([])
})

test('what is composed of big stretches in another folder is linked: no byte is written again', async () => {
  const [folder, scratch] = [await home(), await home()]
  const [blobs, other] = [openFolder(folder), openFolder(scratch)]
  await other.put('a/x', Buffer.alloc(200_000, '0123456789a'))
  await other.put('a/small', Buffer.alloc(2))
  const big = { name: 'a/x', start: 5, bytes: 199_000 }
  await blobs.compose('p/linked', [big, { name: 'a/small', start: 0, bytes: 2 }, big], other)
  const inode = async (path: string) => (await stat(path)).ino
  const source = await inode(join(scratch, 'a/x'))
  expect([await inode(join(folder, 'p/linked/.0')), await inode(join(folder, 'p/linked/.2'))]).toEqual([source, source])
  await blobs.compose('p/written', [{ name: 'a/small', start: 0, bytes: 2 }], other)
  expect((await stat(join(folder, 'p/written'))).isFile()).toBe(true)
  await blobs.compose('p/again', [{ name: 'p/linked', start: 1000, bytes: 397_000 }], blobs)
  expect([await inode(join(folder, 'p/again/.0')), await blobs.head('p/again')]).toEqual([source, 397_000])
  expect(await whole(blobs.read('p/again'))).toBe((await whole(blobs.read('p/linked'))).slice(1000, 398_000))
  await blobs.delete(['p/linked', 'p/written', 'p/again'])
  expect([await readdir(folder), await readdir(join(folder, '.tmp'))]).toEqual([['.tmp'], []])
})

test('of links that a killed compose left, all are swept', async () => {
  const folder = await home()
  await mkdir(join(folder, '.tmp/half'), { recursive: true })
  await writeFile(join(folder, '.tmp/half/.0'), 'x')
  const blobs = openFolder(folder)
  await blobs.sweepTemporary(Date.now() + 60_000)
  expect(await readdir(join(folder, '.tmp'))).toEqual([])
})
