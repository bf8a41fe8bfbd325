import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { newBatch, project } from '../../../test/support/batch-rows.ts'
import { databases } from '../../../test/support/databases.ts'
import { clientOf, findS3Program, placeOf, serverNames, startS3 } from '../../../test/support/s3-server.ts'
import { failing, readAll, withCode } from '../../../test/support/web-world.ts'
import { openBucket } from '../../blobs/open.ts'
import { openFolder } from '../../blobs/folder.ts'
import { defaultLimits } from '../../dispatch/fetch/content.ts'
import { publicOnly } from '../../domain/fetch-rules.ts'
import { makeFileId, type ProjectId } from '../../domain/ids.ts'
import { systemClock } from '../../kit/clock.ts'
import { putGrant } from '../../store/buckets.ts'
import { insertFile } from '../../store/files.ts'
import { makeOpenAddress } from './line-content.ts'

const never = new AbortController().signal
const other = '00000000-0000-7000-8000-00000000000f' as ProjectId

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  async function open() {
    const root = await mkdtemp(join(tmpdir(), 'nightshift-content-'))
    const [folder, db] = [join(root, 'bucket'), await openDb()]
    await mkdir(folder)
    onTestFinished(async () => {
      await db[Symbol.asyncDispose]()
      await rm(root, { recursive: true, force: true })
    })
    const files = openFolder(join(root, 'files'))
    const opened: string[] = []
    const address = makeOpenAddress({
      db,
      files,
      openBucket: (place, name) => (opened.push(name), openBucket(place, name)),
      rules: publicOnly,
      limits: { ...defaultLimits, maxBytes: 3_000_000 },
      clock: systemClock,
    })
    await newBatch(db) // NOTE: it makes the project
    await putGrant(db, { projectId: project, bucket: 'b', place: { kind: 'folder', folder } }, 'own')
    const addFile = async (bytes: Buffer, more: { purpose?: string; expiresAt?: number } = {}) => {
      const id = makeFileId(randomBytes)
      const [blob, createdAt] = [`f/${id}`, systemClock.now()]
      await files.put(blob, bytes)
      const file = { id, projectId: project, purpose: 'user_data', filename: 'ab/talk "1".wav', bytes: bytes.length, blob }
      await insertFile(db, { ...file, createdAt, expiresAt: null, batchId: null, ...more })
      return { id, blob }
    }
    return { db, folder, files, opened, addFile, read: (at: string, of = project) => address(at, of, never) }
  }

  test('an object and a file of the project, in pieces that stay what they are', async () => {
    const { folder, addFile, read } = await open()
    const bytes = Buffer.from(Array.from({ length: 2_500_000 }, (__, i) => (i * 7) % 256))
    await writeFile(join(folder, 'a b.wav'), bytes)
    const object = await read('s3://b/a b.wav')
    expect([object.name, object.size, (await readAll(object)).equals(bytes)]).toEqual(['a b.wav', bytes.length, true])
    const file = await read((await addFile(bytes)).id)
    expect([file.name, file.size, (await readAll(file)).equals(bytes)]).toEqual(['talk 1.wav', bytes.length, true])
  })

  test('another project reads neither, and learns nothing', async () => {
    const { folder, addFile, read } = await open()
    await writeFile(join(folder, 'a.wav'), 'x')
    const { id } = await addFile(Buffer.from('x'))
    expect(await failing(read(id, other))).toEqual(withCode('url_not_found'))
    expect(await failing(read('s3://b/a.wav', other))).toEqual(await failing(read('s3://c/a.wav', other)))
  })

  test('what is not there, too large, of another purpose, or over', async () => {
    const { folder, addFile, read } = await open()
    await writeFile(join(folder, 'big.wav'), Buffer.alloc(3_000_001))
    expect(await failing(read('s3://b/none.wav'))).toEqual(withCode('url_not_found'))
    expect(await failing(read('s3://b/big.wav'))).toEqual(withCode('url_too_large'))
    expect(await failing(read('s3://b/../files/x'))).toEqual(withCode('url_not_found'))
    expect(await failing(read((await addFile(Buffer.alloc(3_000_001))).id))).toEqual(withCode('url_too_large'))
    expect(await failing(read((await addFile(Buffer.from('abc'), { purpose: 'assistants' })).id))).toEqual(
      withCode('url_not_allowed'),
    )
    expect(await failing(read((await addFile(Buffer.from('abcd'), { expiresAt: 1 })).id))).toEqual(withCode('url_not_found'))
  })

  test('what goes while it is read is told as what it is', async () => {
    const { files, addFile, read } = await open()
    const { id, blob } = await addFile(Buffer.from('x'))
    const content = await read(id)
    await files.delete([blob])
    expect(await failing(readAll(content))).toEqual(withCode('url_not_found'))
  })
})

describe.each(serverNames)('%s', (name) => {
  test.skipIf(findS3Program(name) === null)('an object on S3, and what is wrong with others', async () => {
    await using server = await startS3(name)
    const client = clientOf(server)
    await client.createBucket({ Bucket: 'talks' })
    const bytes = Buffer.alloc(2_500_000, 'ab')
    await client.putObject({ Bucket: 'talks', Key: 'in/é+1.wav', Body: bytes })
    client.destroy()
    const db = await databases.sqlite?.()
    if (!db) throw new Error('no database')
    onTestFinished(() => db[Symbol.asyncDispose]())
    await newBatch(db)
    await putGrant(db, { projectId: project, bucket: 'talks', place: placeOf(server) }, 'settings')
    await putGrant(db, { projectId: project, bucket: 'gone', place: placeOf(server) }, 'settings')
    const address = makeOpenAddress({
      db,
      files: openFolder(tmpdir()),
      openBucket,
      rules: publicOnly,
      limits: defaultLimits,
      clock: systemClock,
    })
    for (const at of ['s3://talks/in/é+1.wav', `${server.url}/talks/in/%C3%A9+1.wav`]) {
      const content = await address(at, project, never)
      expect([content.name, (await readAll(content)).equals(bytes)]).toEqual(['é+1.wav', true])
    }
    expect(await failing(address('s3://talks/none', project, never))).toEqual(withCode('url_not_found'))
    expect(await failing(address('s3://gone/a', project, never))).toEqual(withCode('url_not_allowed'))
    expect(await failing(address(`${server.url}/other/a`, project, never))).toEqual(withCode('url_not_allowed'))
  })
})
