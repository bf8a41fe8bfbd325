import { chmod, link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile, appendFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { whole } from '../../test/support/blobs-contract.ts'
import { openFolderBucket } from './bucket-folder.ts'
import { BucketDenied, ObjectChanged, ObjectMissing, type Bucket } from './bucket.ts'

async function open(): Promise<{ bucket: Bucket; folder: string; outside: string }> {
  const home = await mkdtemp(join(tmpdir(), 'nightshift-bucket-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  const [folder, outside] = [join(home, 'bucket'), join(home, 'outside')]
  await mkdir(folder)
  await mkdir(outside)
  await writeFile(join(outside, 'secret'), 'secret')
  return { bucket: openFolderBucket(folder, 'demo'), folder, outside }
}
const read = async (bucket: Bucket, key: string) => {
  const seen = await bucket.head(key)
  return seen && whole(bucket.read(key, seen))
}

test('an object is the file of its key, whatever characters that has', async () => {
  const { bucket, folder } = await open()
  await mkdir(join(folder, 'in a+b'))
  for (const key of ['a.jsonl', 'in a+b/ü%20?#.jsonl']) {
    await writeFile(join(folder, key), key)
    expect(await read(bucket, key)).toBe(key)
  }
})

test('no key leads out of the folder', async () => {
  const { bucket, folder, outside } = await open()
  await symlink(join(outside, 'secret'), join(folder, 'link'))
  await symlink(outside, join(folder, 'dir'))
  await mkdir(join(folder, 'real'))
  await symlink('../../outside', join(folder, 'real/up'))
  for (const key of [
    'link',
    'dir/secret',
    'real/up/secret',
    '../outside/secret',
    'real/../../outside/secret',
    '/etc/passwd',
    './link',
    'real//up',
    'a\0',
    '',
    '.',
    '..',
    'x'.repeat(300),
  ]) {
    expect(await bucket.head(key), key).toBeNull()
    const staging = bucket.stage(key.includes('/') ? key : `${key}/x`, 'o', Buffer.from('x'))
    await expect(staging).rejects.toThrow(BucketDenied)
  }
  await expect(bucket.proveWrite('dir/new', 'o')).rejects.toThrow(BucketDenied)
  expect(await readdir(outside)).toEqual(['secret'])
})

test('a directory and what is being staged are no objects', async () => {
  const { bucket, folder } = await open()
  await mkdir(join(folder, 'd'))
  const staged = await bucket.stage('a', 'owner', Buffer.from('x'))
  expect(await bucket.head('d')).toBeNull()
  expect(await bucket.head(staged.handle)).toBeNull()
  expect(await bucket.head('a')).toBeNull()
})

test('what is staged appears whole under its name, once, and is known again', async () => {
  const { bucket, folder } = await open()
  const staged = await bucket.stage('a', 'owner', Buffer.from('result'))
  expect(await bucket.publish('a', staged)).toBe('published')
  expect(await bucket.publish('a', staged)).toBe('published')
  expect((await bucket.head('a'))?.tag).toBe(staged.tag)
  expect(await readdir(folder)).toEqual(['a'])
})

test('killed between the link and the end, publishing again finds its own', async () => {
  const { bucket, folder } = await open()
  const staged = await bucket.stage('a', 'owner', Buffer.from('result'))
  await link(join(folder, staged.handle), join(folder, 'a'))
  expect(await bucket.publish('a', staged)).toBe('published')
  expect(await readdir(folder)).toEqual(['a'])
})

test('nothing that is there is overwritten, and of many at once one wins', async () => {
  const { bucket, folder } = await open()
  await writeFile(join(folder, 'taken'), 'mine')
  expect(await bucket.publish('taken', await bucket.stage('taken', 'o', Buffer.from('x')))).toBe('taken')
  expect(await readFile(join(folder, 'taken'), 'utf8')).toBe('mine')
  const all = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => bucket.publish('one', await bucket.stage('one', `o${i}`, Buffer.from(String(i))))),
  )
  expect(all.filter((how) => how === 'published')).toHaveLength(1)
})

test('what an owner left half written is found by its name, and nobody else is touched', async () => {
  const { bucket, folder } = await open()
  await writeFile(join(folder, '.nightshift-batch1-2-output-half'), 'x')
  await bucket.stage('a', 'batch2-1', Buffer.from('x'))
  await bucket.discardStaged('a', 'batch1')
  expect((await readdir(folder)).filter((n) => n.includes('batch1'))).toEqual([])
  expect(await readdir(folder)).toHaveLength(1)
  expect(await bucket.proveWrite('a', 'batch1')).toBeUndefined()
  expect(await readdir(folder)).toHaveLength(1)
})

test('only what was seen is deleted', async () => {
  const { bucket, folder } = await open()
  await writeFile(join(folder, 'a'), 'one')
  const seen = await bucket.head('a')
  await rm(join(folder, 'a'))
  await writeFile(join(folder, 'a'), 'two!')
  expect(await bucket.delete('a', seen!)).toBe(false)
  expect(await read(bucket, 'a')).toBe('two!')
  expect(await bucket.delete('a', (await bucket.head('a'))!)).toBe(true)
  expect(await bucket.delete('a', seen!)).toBe(true)
})

test('an object that changes while it is read says so', async () => {
  const { bucket, folder } = await open()
  await writeFile(join(folder, 'a'), Buffer.alloc(3_000_000, 'a'))
  const seen = await bucket.head('a')
  const reading = bucket.read('a', seen!)[Symbol.asyncIterator]()
  await reading.next()
  await appendFile(join(folder, 'a'), 'more')
  await expect(
    (async () => {
      while (!(await reading.next()).done);
    })(),
  ).rejects.toThrow(ObjectChanged)
  await expect(whole(bucket.read('a', seen!))).rejects.toThrow(ObjectChanged)
  await expect(whole(bucket.read('none', seen!))).rejects.toThrow(ObjectMissing)
})

test.skipIf(process.getuid?.() === 0)("a missing right is named, and the server's path is not", async () => {
  const { bucket, folder } = await open()
  await writeFile(join(folder, 'a'), 'x', { mode: 0o000 })
  await expect(bucket.head('a')).rejects.toThrow(/no right to read 'a' in bucket 'demo'/)
  await chmod(folder, 0o500)
  await expect(bucket.proveWrite('a', 'o')).rejects.toThrow(expect.not.stringContaining(folder) as never)
})
