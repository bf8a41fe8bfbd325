import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { blobsContract } from '../../test/support/blobs-contract.ts'
import { s3Error, startFaultProxy } from '../../test/support/fault-proxy.ts'
import {
  accessTo,
  clientOf,
  findS3Program,
  hostStyle,
  serverNames,
  startS3,
  type S3TestServer,
} from '../../test/support/s3-server.ts'
import { openS3Blobs } from './blobs-s3.ts'
import { BlobMissing, NoRoom, type Blobs, type S3BlobsPlace } from './blobs.ts'

const MiB = 1024 * 1024
const patience = { connectMs: 2000, stallMs: 2000, attempts: 2, storeMs: 20_000, answerMs: 9000, briefMs: 10_000 }
const bytesOf = async (blobs: Blobs, name: string): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of blobs.read(name)) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

describe.each(serverNames)('%s', (server) => {
  describe.skipIf(findS3Program(server) === null)('blobs', () => {
    let s3: S3TestServer & AsyncDisposable
    const bucket = 'night'
    beforeAll(async () => {
      s3 = await startS3(server)
      const client = clientOf(s3)
      await client.createBucket({ Bucket: bucket })
      client.destroy()
    })
    afterAll(() => s3[Symbol.asyncDispose]())

    const placeOf = (more: Partial<S3BlobsPlace> = {}): S3BlobsPlace => ({
      kind: 's3',
      ...accessTo(s3),
      bucket,
      prefix: `${randomBytes(4).toString('hex')}/scratch/`,
      ...more,
    })
    const client = () => {
      const made = clientOf(s3)
      onTestFinished(() => made.destroy())
      return made
    }
    const uploads = async (prefix: string) =>
      ((await client().listMultipartUploads({ Bucket: bucket })).Uploads ?? []).filter(({ Key }) => Key?.startsWith(prefix))

    blobsContract(async () => openS3Blobs(placeOf()))
    describe('before the host', () => {
      blobsContract(async () => openS3Blobs(placeOf(hostStyle(s3))))
    })

    test('a blob of many parts comes back as it was, and what it replaces is gone', async () => {
      const blobs = openS3Blobs(placeOf())
      const chunks = Array.from({ length: 37 }, (_, i) => randomBytes(900_001 + i))
      await blobs.put('a', Buffer.from('before'))
      const memory = Buffer.alloc(1_000_000)
      async function* source() {
        for (const chunk of chunks) {
          chunk.copy(memory)
          yield memory.subarray(0, chunk.length)
        }
      }
      const whole = Buffer.concat(chunks)
      expect(await blobs.put('a', source())).toBe(whole.length)
      expect((await bytesOf(blobs, 'a')).equals(whole)).toBe(true)
    })

    test('a put of many parts that is aborted or breaks leaves no upload behind', async () => {
      const place = placeOf()
      const blobs = openS3Blobs(place)
      const stop = new AbortController()
      async function* source(end: () => void) {
        for (let i = 0; ; i++) {
          if (i === 20) end()
          yield Buffer.alloc(MiB)
        }
      }
      const broke = () => {
        throw new Error('the source broke')
      }
      await expect(blobs.put('a', source(broke))).rejects.toThrow('the source broke')
      await expect(
        blobs.put(
          'a',
          source(() => stop.abort(new Error('enough'))),
          stop.signal,
        ),
      ).rejects.toThrow('enough')
      expect([await blobs.head('a'), await uploads(place.prefix)]).toEqual([null, []])
    })

    test('big stretches are copied by the server, small ones beside them sent, and the bytes are the same', async () => {
      await using proxy = await startFaultProxy(s3.url)
      const place = placeOf({ endpoint: proxy.url })
      const blobs = openS3Blobs(place)
      const [big, parted, small] = [randomBytes(7 * MiB), randomBytes(20 * MiB), randomBytes(300_000)]
      await blobs.put('big', big)
      await blobs.put('parted', [parted])
      await blobs.put('small', small)
      const ranges = [
        { name: 'big', start: 0, bytes: big.length },
        { name: 'small', start: 5, bytes: 200_000 },
        { name: 'parted', start: 1, bytes: parted.length - 1 },
        { name: 'small', start: 0, bytes: 0 },
        { name: 'big', start: 100, bytes: 6 * MiB },
        { name: 'small', start: 0, bytes: small.length },
      ]
      const whole = Buffer.concat(
        ranges.map(({ name, start, bytes }) => ({ big, parted, small })[name as 'big'].subarray(start, start + bytes)),
      )
      proxy.seen.length = 0
      expect(await blobs.compose('one', ranges, blobs)).toBe(whole.length)
      expect((await bytesOf(blobs, 'one')).equals(whole)).toBe(true)
      expect(proxy.seen.filter((one) => /^PUT .*partNumber=\d+/.test(one))).toHaveLength(5)
      expect(proxy.seen.filter((one) => /^GET .*big/.test(one))).toEqual([])
      const lost = [...ranges, { name: 'none', start: 0, bytes: 6 * MiB }]
      await expect(blobs.compose('two', lost, blobs)).rejects.toThrow(BlobMissing)
      expect([await blobs.head('two'), await uploads(place.prefix)]).toEqual([null, []])
    })

    test('a thousand small blobs become one in seconds', async () => {
      const blobs = openS3Blobs(placeOf())
      const piece = randomBytes(20_000)
      const names = Array.from({ length: 50 }, (_, i) => `p/${i}`)
      await Promise.all(names.map((name) => blobs.put(name, piece)))
      const ranges = Array.from({ length: 1000 }, (_, i) => ({ name: `p/${i % 50}`, start: 0, bytes: piece.length }))
      const from = performance.now()
      expect(await blobs.compose('one', ranges, blobs)).toBe(20_000_000)
      expect(performance.now() - from).toBeLessThan(20_000)
      expect((await bytesOf(blobs, 'one')).equals(Buffer.concat(ranges.map(() => piece)))).toBe(true)
    })

    test('an upload that comes back after its abort, with a part that was on its way, is aborted again', async () => {
      await using proxy = await startFaultProxy(s3.url)
      const place = placeOf({ endpoint: proxy.url })
      const blobs = openS3Blobs(place)
      let aborts = 0
      proxy.faults = ({ method }) => (method === 'DELETE' && ++aborts < 3 ? { kind: 'answer', status: 204 } : null)
      async function* source() {
        yield Buffer.alloc(9 * MiB)
        throw new Error('the source broke')
      }
      await expect(blobs.put('a', source())).rejects.toThrow('the source broke')
      expect([aborts, await uploads(place.prefix)]).toEqual([3, []])
    })

    test('a copy that another’s failure finds at work ends before its upload is aborted', async () => {
      await using proxy = await startFaultProxy(s3.url)
      const blobs = openS3Blobs(placeOf({ endpoint: proxy.url }), patience)
      await blobs.put('big', randomBytes(12 * MiB))
      const ended: string[] = []
      proxy.faults = ({ method, path }) => {
        if (method === 'PUT' && path.includes('partNumber=1')) return { kind: 'late', ms: 500, over: () => ended.push('copy') }
        if (method === 'DELETE') ended.push('abort')
        return null
      }
      const ranges = ['big', 'none'].map((name) => ({ name, start: 0, bytes: 12 * MiB }))
      await expect(blobs.compose('one', ranges, blobs)).rejects.toThrow(BlobMissing)
      expect(ended.slice(0, 2)).toEqual(['copy', 'abort'])
    })

    test('what a killed put left is swept, and neither a younger one nor anybody else’s', async () => {
      const place = placeOf()
      const [ours, theirs] = [`${place.prefix}p/half`, `other/${place.prefix}half`]
      for (const Key of [ours, theirs]) await client().createMultipartUpload({ Bucket: bucket, Key })
      const blobs = openS3Blobs(place)
      await blobs.sweepTemporary(Date.now() - 60_000)
      expect(await uploads(ours)).toHaveLength(1)
      await blobs.sweepTemporary(Date.now() + 60_000)
      expect([await uploads(ours), (await uploads(theirs)).length]).toEqual([[], 1])
    })

    test('lists and deletes go over the limit of one page', async () => {
      const blobs = openS3Blobs(placeOf())
      const names = Array.from({ length: 1100 }, (_, i) => `p/${String(i).padStart(4, '0')}`)
      for (let i = 0; i < names.length; i += 100)
        await Promise.all(names.slice(i, i + 100).map((n) => blobs.put(n, Buffer.from('x'))))
      const listed = async () => {
        const found: string[] = []
        for await (const { name, bytes, changedAt } of blobs.list('p/')) {
          expect([bytes, Math.abs(changedAt - Date.now()) < 600_000]).toEqual([1, true])
          found.push(name)
        }
        return found
      }
      expect((await listed()).toSorted()).toEqual(names)
      await blobs.delete(names)
      expect(await listed()).toEqual([])
    })

    test('a server that cannot delete many at once is asked for each', async () => {
      await using proxy = await startFaultProxy(s3.url)
      const blobs = openS3Blobs(placeOf({ endpoint: proxy.url }), patience)
      for (const name of ['a', 'b']) await blobs.put(name, Buffer.from('x'))
      proxy.faults = ({ method }) => (method === 'POST' ? { kind: 'answer', status: 501, body: s3Error('NotImplemented') } : null)
      await blobs.delete(['a', 'b', 'none'])
      expect([await blobs.head('a'), await blobs.head('b')]).toEqual([null, null])
    })

    test('no room, no bucket and no right are each said as what they are', async () => {
      await using proxy = await startFaultProxy(s3.url)
      const blobs = openS3Blobs(placeOf({ endpoint: proxy.url }), patience)
      proxy.faults = () => ({ kind: 'answer', status: 403, body: s3Error('QuotaExceeded') })
      await expect(blobs.put('a', Buffer.from('x'))).rejects.toThrow(NoRoom)
      proxy.faults = () => ({ kind: 'answer', status: 403, body: s3Error('AccessDenied') })
      await expect(blobs.head('a')).rejects.toThrow(/cannot keep its files in bucket 'night': the right/)
      const nowhere = openS3Blobs(placeOf({ bucket: 'never-made' }), patience)
      await expect(nowhere.head('a')).rejects.toThrow(/there is no such bucket/)
      await expect(nowhere.put('a', Buffer.from('x'))).rejects.toThrow(/there is no such bucket/)
    })
  })
})
