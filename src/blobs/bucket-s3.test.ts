import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { bucketContract, type OpenBucket } from '../../test/support/bucket-contract.ts'
import {
  clientOf,
  hostStyle,
  placeOf,
  serverNames,
  startS3,
  findS3Program,
  type S3TestServer,
} from '../../test/support/s3-server.ts'
import { openS3Bucket } from './bucket-s3.ts'

describe.each(serverNames)('%s', (name) => {
  describe.skipIf(findS3Program(name) === null)('a bucket', () => {
    let server: S3TestServer & AsyncDisposable
    beforeAll(async () => void (server = await startS3(name)))
    afterAll(() => server[Symbol.asyncDispose]())

    async function open(more: (server: S3TestServer) => object = () => ({})): Promise<OpenBucket & { name: string }> {
      const client = clientOf(server)
      const bucket = `b-${randomBytes(6).toString('hex')}`
      await client.createBucket({ Bucket: bucket })
      onTestFinished(() => client.destroy())
      const place = placeOf(server, more(server))
      return {
        name: bucket,
        bucket: openS3Bucket(place, bucket),
        again: () => openS3Bucket(place, bucket),
        put: async (key, bytes) => void (await client.putObject({ Bucket: bucket, Key: key, Body: Buffer.from(bytes) })),
        get: (key) =>
          client.getObject({ Bucket: bucket, Key: key }).then(
            ({ Body }) => Body!.transformToString(),
            () => null,
          ),
        remove: async (key) => void (await client.deleteObject({ Bucket: bucket, Key: key })),
        async left() {
          const objects = await client.listObjectsV2({ Bucket: bucket })
          const keys = (objects.Contents ?? []).map(({ Key }) => Key ?? '')
          const uploads = await client.listMultipartUploads({ Bucket: bucket })
          return [...keys.toSorted(), ...(uploads.Uploads ?? []).map(({ Key }) => `upload of ${Key}`)]
        },
      }
    }

    bucketContract(open)
    describe('before the host', () => {
      bucketContract(() => open(hostStyle))
    })

    test('what is published says whose it is, and what it is', async () => {
      const opened = await open()
      const owner = '01900000-0000-7000-8000-000000000001-2-output'
      await opened.bucket.publish('a', await opened.bucket.stage('a', owner, Buffer.from('{}\n')))
      const client = clientOf(server)
      onTestFinished(() => client.destroy())
      const seen = await client.headObject({ Bucket: opened.name, Key: 'a' })
      expect(seen.ContentType).toBe('application/jsonl')
      expect(seen.Metadata).toMatchObject({ 'nightshift-batch': '01900000-0000-7000-8000-000000000001' })
    })
  })
})
