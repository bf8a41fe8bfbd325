import { chmod, link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile, appendFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { bucketContract } from '../../test/support/bucket-contract.ts'
import { openFolderBucket } from './bucket-folder.ts'
import { BucketDenied, ObjectChanged, type Bucket } from './bucket.ts'

async function open(): Promise<{ bucket: Bucket; folder: string; outside: string }> {
  const home = await mkdtemp(join(tmpdir(), 'nightshift-bucket-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  const [folder, outside] = [join(home, 'bucket'), join(home, 'outside')]
  await mkdir(folder)
  await mkdir(outside)
  await writeFile(join(outside, 'secret'), 'secret')
  return { bucket: openFolderBucket(folder, 'demo'), folder, outside }
}

describe('folder', () => {
  bucketContract(async () => {
    const { bucket, folder } = await open()
    return {
      bucket,
      again: () => openFolderBucket(folder, 'demo'),
      async put(key, bytes) {
        await mkdir(dirname(join(folder, key)), { recursive: true })
        await writeFile(join(folder, key), bytes)
      },
      get: (key) => readFile(join(folder, key), 'utf8').catch(() => null),
      remove: (key) => rm(join(folder, key)),
      left: async () => (await readdir(folder)).toSorted(),
    }
  })
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

test('killed between the link and the end, publishing again finds its own', async () => {
  const { bucket, folder } = await open()
  const staged = await bucket.stage('a', 'owner', Buffer.from('result'))
  await link(join(folder, staged.handle), join(folder, 'a'))
  expect(await bucket.publish('a', staged)).toMatchObject({ bytes: staged.bytes })
  expect(await readdir(folder)).toEqual(['a'])
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
})

test.skipIf(process.getuid?.() === 0)("a missing right is named, and the server's path is not", async () => {
  const { bucket, folder } = await open()
  await writeFile(join(folder, 'a'), 'x', { mode: 0o000 })
  await expect(bucket.head('a')).rejects.toThrow(/no right to read 'a' in bucket 'demo'/)
  await chmod(folder, 0o500)
  await expect(bucket.proveWrite('a', 'o')).rejects.toThrow(expect.not.stringContaining(folder) as never)
})
