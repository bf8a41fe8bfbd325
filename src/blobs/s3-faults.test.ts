import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { whole } from '../../test/support/blobs-contract.ts'
import { s3Error, startFaultProxy, type Fault, type FaultProxy } from '../../test/support/fault-proxy.ts'
import { clientOf, findS3Program, placeOf, serverNames, startS3, type S3TestServer } from '../../test/support/s3-server.ts'
import type { S3Place } from '../domain/grant.ts'
import { openS3Blobs } from './blobs-s3.ts'
import { openS3Bucket } from './bucket-s3.ts'
import { BucketDenied, ObjectChanged, type Bucket } from './bucket.ts'

const patience = { connectMs: 2000, stallMs: 300, attempts: 3, storeMs: 20_000, answerMs: 9000, briefMs: 10_000 }
const big = randomBytes(6_000_000)
const bytesOf = async (source: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
/** The same fault for the first so many requests of a method. */
const first = (times: number, method: string, fault: Fault) => {
  let left = times
  return (request: { method: string }) => (request.method === method && left-- > 0 ? fault : null)
}

describe.each(serverNames)('%s', (name) => {
  describe.skipIf(findS3Program(name) === null)('behind a network with faults', () => {
    let server: S3TestServer & AsyncDisposable
    let proxy: FaultProxy
    const client = () => {
      const made = clientOf(server)
      onTestFinished(() => made.destroy())
      return made
    }
    const put = async (key: string, bytes: Buffer) => void (await client().putObject({ Bucket: 'b-one', Key: key, Body: bytes }))
    const open = (more: Partial<S3Place> = {}, bucket = 'b-one'): Bucket => openS3Bucket(placeOf(proxy, more), bucket, patience)

    beforeAll(async () => {
      server = await startS3(name)
      proxy = await startFaultProxy(server.url)
      const made = clientOf(server)
      await made.createBucket({ Bucket: 'b-one' })
      await made.putObject({ Bucket: 'b-one', Key: 'big', Body: big })
      made.destroy()
    })
    beforeEach(() => {
      proxy.faults = () => null
      proxy.seen.length = 0
    })
    afterAll(async () => {
      await proxy[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    })

    test.each(['break', 'stall'] as const)('a download that meets a %s goes on at the byte where it stopped', async (kind) => {
      const bucket = open()
      const seen = (await bucket.head('big'))!
      proxy.faults = first(3, 'GET', { kind, after: 1_500_000 })
      expect((await bytesOf(bucket.read('big', seen))).equals(big)).toBe(true)
      const ranges = proxy.seen.filter((one) => one.startsWith('GET')).map((one) => Number(/bytes=(\d+)-/.exec(one)?.[1]))
      expect(ranges).toEqual([0, 1_500_000, 3_000_000, 4_500_000])
    })

    test('a download from which nothing comes any more ends, and says so', async () => {
      const bucket = open()
      const seen = (await bucket.head('big'))!
      proxy.faults = ({ method }) => (method === 'GET' ? { kind: 'break', after: 0 } : null)
      await expect(bytesOf(bucket.read('big', seen))).rejects.toThrow(/the connection broke/)
    })

    test('an object that is changed while it is read is not read on', async () => {
      await put('changes', big)
      const bucket = open()
      const seen = (await bucket.head('changes'))!
      proxy.faults = first(1, 'GET', { kind: 'break', after: 1_000_000 })
      const reading = bucket.read('changes', seen)[Symbol.asyncIterator]()
      await reading.next()
      await put('changes', randomBytes(6_000_000))
      const rest = (async () => {
        while (!(await reading.next()).done);
      })()
      await expect(rest).rejects.toThrow(ObjectChanged)
    })

    test('503 is asked again; an upload that meets faults is whole', async () => {
      const bucket = open()
      let asked = 0
      proxy.faults = () => (asked++ % 3 === 0 ? { kind: 'answer', status: 503, body: s3Error('SlowDown') } : null)
      const source = [big, big, big]
      const staged = await bucket.stage('written', 'o', source)
      expect(await bucket.publish('written', staged)).toMatchObject({ bytes: staged.bytes })
      proxy.faults = () => null
      const seen = (await bucket.head('written'))!
      expect(seen).toEqual({ bytes: staged.bytes, tag: staged.tag })
      expect((await bytesOf(bucket.read('written', seen))).equals(Buffer.concat(source))).toBe(true)
    })

    test('an upload whose answers stand still ends within its patience', async () => {
      const bucket = open()
      proxy.faults = ({ method }) => (method === 'PUT' ? { kind: 'stall', after: 0 } : null)
      await expect(bucket.stage('stands', 'o', [big])).rejects.toThrow(/part 1/)
      expect(proxy.seen.some((one) => one.startsWith('DELETE'))).toBe(true)
    })

    test('a server that hangs keeps who only looks, lists or deletes for a while, with all tries together', async () => {
      const hanging = openS3Bucket(placeOf(proxy), 'b-one', { ...patience, stallMs: 60_000, attempts: 5, briefMs: 300 })
      const [seen, staged] = [(await open().head('big'))!, await open().stage('hangs', 'o', [big])]
      proxy.faults = () => ({ kind: 'stall', after: 0 })
      for (const call of [
        () => hanging.head('big'),
        () => hanging.discardStaged('big', 'o'),
        () => hanging.delete('big', seen),
        () => hanging.discard('hangs', staged.handle),
      ])
        await expect(call()).rejects.toThrow(/TimeoutError|does not answer/)
    })

    test('of many who ask a server that hangs one waits on; when it answers again, all are answered', async () => {
      const times = { silentMs: 300, restMs: 100 }
      const bucket = openS3Bucket(placeOf(proxy), 'b-one', { ...patience, stallMs: 60_000, answerMs: 2000 }, times)
      await bucket.head('big')
      proxy.faults = () => ({ kind: 'stall', after: 0 })
      let told = 0
      const asked = Array.from({ length: 70 }, () => bucket.head('big').catch(() => void told++))
      await vi.waitFor(() => expect(told).toBe(69), 5000)
      const before = proxy.seen.length
      for (let i = 0; i < 70; i++) await expect(bucket.head('big')).rejects.toThrow(/does not answer/)
      expect(proxy.seen.length).toBe(before)
      proxy.faults = () => null
      await Promise.all(asked)
      await vi.waitFor(() => bucket.head('big'), 5000)
      const seen = await Promise.all(Array.from({ length: 70 }, () => bucket.head('big')))
      expect(seen.every((one) => one?.bytes === big.length)).toBe(true)
    })

    test('who waits behind slow readers of our own takes the server for no silent one', async () => {
      const times = { silentMs: 300, restMs: 60_000 }
      const bucket = openS3Bucket(placeOf(proxy), 'b-one', { ...patience, stallMs: 60_000, briefMs: 60_000 }, times)
      const seen = (await bucket.head('big'))!
      const readers = Array.from({ length: 64 }, () => bucket.read('big', seen)[Symbol.asyncIterator]())
      await Promise.all(readers.map((reader) => reader.next()))
      const asked = Promise.allSettled(Array.from({ length: 6 }, () => bucket.head('big')))
      await new Promise((resolve) => setTimeout(resolve, 900))
      await Promise.all(readers.map(async (reader) => reader.return?.()))
      expect((await asked).map(({ status }) => status)).toEqual(Array(6).fill('fulfilled'))
    })

    test('a list may take longer than a look', async () => {
      const place = { ...placeOf(proxy), bucket: 'b-one', prefix: 'blobs/' }
      const blobs = openS3Blobs(place, { ...patience, stallMs: 60_000, answerMs: 100 })
      await blobs.put('listed', Buffer.from('x'))
      proxy.faults = ({ method }) => (method === 'GET' ? { kind: 'late', ms: 400, over: () => {} } : null)
      const names: string[] = []
      for await (const { name } of blobs.list('listed')) names.push(name)
      expect(names).toEqual(['listed'])
    })

    test('answers that never come are asked for again, each on another connection', async () => {
      const bucket = openS3Bucket(placeOf(proxy), 'b-one', { ...patience, stallMs: 60_000, storeMs: 200, answerMs: 200 })
      for (const method of ['HEAD', 'PUT']) {
        proxy.seen.length = 0
        proxy.faults = first(2, method, { kind: 'stall', after: 0 })
        expect(await bucket.head('big')).toMatchObject({ bytes: big.length })
        expect(await bucket.stage('asked', method, Buffer.from('x'))).toMatchObject({ bytes: 1 })
        expect(proxy.seen.filter((one) => one.startsWith(method)).length).toBeGreaterThan(2)
      }
    })

    test('an answer to the completion that is lost: it is published, and that is found', async () => {
      const bucket = open()
      const staged = await bucket.stage('lost', 'o', Buffer.from('x'))
      let lost = 0
      proxy.faults = ({ method }) => (method === 'POST' && lost++ === 0 ? { kind: 'break', after: 0 } : null)
      expect(await bucket.publish('lost', staged)).toMatchObject({ bytes: staged.bytes })
    })

    test('a server that does not know the condition is asked without it, behind a look', async () => {
      const bucket = open()
      const staged = await bucket.stage('plain', 'o', Buffer.from('x'))
      proxy.faults = first(1, 'POST', { kind: 'answer', status: 501, body: s3Error('NotImplemented') })
      expect(await bucket.publish('plain', staged)).toMatchObject({ bytes: staged.bytes })
    })

    const redirects = (to: string): Fault[] => [
      { kind: 'answer', status: 307, headers: { location: to }, body: s3Error('TemporaryRedirect') },
      {
        kind: 'answer',
        status: 301,
        headers: { location: to, 'x-amz-bucket-region': 'eu-west-9' },
        body: s3Error('PermanentRedirect', `<Endpoint>${to.slice(7)}</Endpoint>`),
      },
      { kind: 'answer', status: 302, headers: { location: to } },
    ]
    test('a redirect is not followed, and nothing else is contacted, whatever the environment names', async () => {
      let contacts = 0
      const listener = createServer((socket) => (contacts++, socket.destroy())).listen(0, '127.0.0.1')
      await new Promise((resolve) => listener.once('listening', resolve))
      const elsewhere = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
      const home = await mkdtemp(join(tmpdir(), 'nightshift-home-'))
      await writeFile(join(home, 'config'), `[default]\nendpoint_url = ${elsewhere}\nuse_dualstack_endpoint = true\nregion = x\n`)
      for (const variable of [
        'AWS_ENDPOINT_URL',
        'AWS_ENDPOINT_URL_S3',
        'AWS_EC2_METADATA_SERVICE_ENDPOINT',
        'AWS_CONTAINER_CREDENTIALS_FULL_URI',
        'HTTP_PROXY',
        'http_proxy',
      ])
        vi.stubEnv(variable, elsewhere)
      vi.stubEnv('AWS_CONFIG_FILE', join(home, 'config'))
      vi.stubEnv('AWS_S3_USE_ARN_REGION', 'true')
      onTestFinished(async () => {
        vi.unstubAllEnvs()
        listener.close()
        await rm(home, { recursive: true })
      })
      const bucket = open()
      expect(await bucket.head('big')).toMatchObject({ bytes: big.length })
      for (const fault of redirects(elsewhere)) {
        proxy.faults = () => fault
        await expect(bucket.head('big')).rejects.toThrow(/cannot read 'big' in bucket 'b-one': it lies in another region/)
        await expect(bucket.proveWrite('x/big', 'o')).rejects.toThrow(BucketDenied)
      }
      proxy.faults = () => null
      for (const other of [
        'arn:aws:s3:us-west-2:123456789012:accesspoint:one',
        'x--usw2-az1--x-s3',
        '../b-one',
        'b-one/big',
        '',
      ]) {
        expect(await open({}, other).head('big')).toBeNull()
        await expect(open({}, other).stage('k', 'o', Buffer.from('x'))).rejects.toThrow(BucketDenied)
      }
      expect(contacts).toBe(0)
    })

    test('a right that is missing is named, with the bucket, the key and what to do', async () => {
      const bucket = open()
      proxy.faults = () => ({ kind: 'answer', status: 403, body: s3Error('AccessDenied') })
      const read = (await bucket.head('in/big').catch((e: unknown) => e)) as BucketDenied
      expect(read).toBeInstanceOf(BucketDenied)
      expect(read.right).toBe('read')
      expect(read.message).toMatch(/cannot read 'in\/big' in bucket 'b-one': the right .* GetObject/)
      proxy.faults = ({ method }) => (method === 'POST' ? { kind: 'answer', status: 403, body: s3Error('AccessDenied') } : null)
      const write = (await bucket.proveWrite('big', 'o').catch((e: unknown) => e)) as BucketDenied
      expect([write.right, write.message]).toEqual(['write', expect.stringMatching(/cannot write 'big' in bucket 'b-one'/)])
      await expect(bucket.stage('k', 'o', Buffer.from('x'))).rejects.toThrow(BucketDenied)
    })

    test('what the grant does not allow is refused before anything is contacted', async () => {
      const seen = { bytes: 1, tag: 't' }
      const readOnly = open({ write: false })
      for (const refused of [
        readOnly.proveWrite('k', 'o'),
        readOnly.stage('k', 'o', Buffer.from('x')),
        readOnly.delete('k', seen),
      ])
        await expect(refused).rejects.toMatchObject({
          name: 'BucketDenied',
          right: 'write',
          message: expect.stringContaining('write: false'),
        })
      const writeOnly = open({ read: false })
      for (const refused of [writeOnly.head('k'), whole(writeOnly.read('k', seen))])
        await expect(refused).rejects.toMatchObject({
          name: 'BucketDenied',
          right: 'read',
          message: expect.stringContaining('read: false'),
        })
      const part = open({ prefix: 'in/' })
      expect(await part.head('out/big')).toBeNull()
      await expect(part.stage('out/k', 'o', Buffer.from('x'))).rejects.toThrow(BucketDenied)
      expect(proxy.seen).toEqual([])
    })

    test('a wrong secret, access key, bucket or region says which, and shows no credential', async () => {
      vi.stubEnv('WRONG_SECRET', 'not-the-secret')
      onTestFinished(() => void vi.unstubAllEnvs())
      const wrong = { secretAccessKey: { variable: 'WRONG_SECRET' } }
      const messages = []
      for (const bucket of [open(wrong), open({ accessKeyId: 'nobody-known' }), open({}, 'never-made')])
        for (const ask of [() => bucket.head('big'), () => bucket.stage('k', 'o', Buffer.from('x'))]) {
          const error = (await ask().catch((e: unknown) => e)) as BucketDenied
          expect(error).toBeInstanceOf(BucketDenied)
          messages.push(error.message, String(error.cause), JSON.stringify(error))
        }
      expect(messages.join()).not.toMatch(/not-the-secret|nobody-known|nightshift-test|Signature=|Credential=/)
      expect(messages[0]).toMatch(/credentials of its settings are not accepted \(S3 said SignatureDoesNotMatch/)
      expect(messages[6]).toMatch(/not accepted \(S3 said (InvalidAccessKeyId|XAdminUserNotFound)/)
      expect(messages[12]).toMatch(/no such bucket at http:.*Check its name/)
      if (name === 'versitygw')
        await expect(open({ region: 'eu-west-9' }).head('big')).rejects.toThrow(/it lies in another region/)
    })

    test('a secret that is changed in its file serves the next call; one that is not there is our own trouble', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'nightshift-secret-'))
      onTestFinished(() => rm(folder, { recursive: true }))
      const file = join(folder, 'secret')
      const bucket = open({ secretAccessKey: { file } })
      await expect(bucket.head('big')).rejects.toThrow(/cannot be read on this machine/)
      await writeFile(file, 'wrong\n')
      await expect(bucket.head('big')).rejects.toThrow(BucketDenied)
      await writeFile(file, `${server.secretAccessKey}\n`)
      expect(await bucket.head('big')).toMatchObject({ bytes: big.length })
      await expect(open({ secretAccessKey: { variable: 'NIGHTSHIFT_NEVER_SET' } }).head('big')).rejects.toThrow(
        /variable NIGHTSHIFT_NEVER_SET is not set/,
      )
    })

    test('what killed proofs have left is found by the owner, and no other upload is touched', async () => {
      const s3 = client()
      const [ours, theirs] = ['in/.nightshift-owner-1-probe', 'in/.nightshift-owner-2-probe']
      for (const Key of [ours, theirs, 'in/a-output.jsonl']) await s3.createMultipartUpload({ Bucket: 'b-one', Key })
      await open().discardStaged('in/a.jsonl', 'owner-1')
      const left = async (Prefix: string) => (await s3.listMultipartUploads({ Bucket: 'b-one', Prefix })).Uploads?.length ?? 0
      expect([await left(ours), await left(theirs), await left('in/a-output.jsonl')]).toEqual([0, 1, 1])
    })
  })
})
