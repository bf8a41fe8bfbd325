import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { S3 } from '@aws-sdk/client-s3'
import { accessInFile, clientOf, hostStyle, startS3, type S3TestServer } from '../support/s3-server.ts'
import { openLocal, type LocalSubject } from './local.ts'
import { parseResults, type Result } from './results.ts'

/** The server under test with grants on an S3 server, and the official client beside it. */
export interface S3Subject extends AsyncDisposable {
  readonly subject: LocalSubject
  readonly s3: S3TestServer
  readonly client: S3
  readonly endpoint: string
  /** A bucket that only this project may use; the server is started again for it. */
  newBucket(bucket: string, project: string): Promise<void>
  put(bucket: string, key: string, bytes: string | Buffer): Promise<string>
  /** null: there is no such object. */
  get(bucket: string, key: string): Promise<string | null>
  list(bucket: string, prefix: string): Promise<string[]>
  /** The results at an address of the form `s3://`, straight from the bucket. */
  results(address: string | null): Promise<Result[]>
}

/** `before`: buckets stand before the host, and files and scratch lie on S3 too. */
export async function openOnS3(server: string, before: boolean): Promise<S3Subject> {
  const s3 = await startS3(server)
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-s3-settings-'))
  const client = clientOf(s3)
  for (const Bucket of ['jobs', 'team-a', 'other', 'night']) await client.createBucket({ Bucket })
  const { endpoint, pathStyle } = before ? hostStyle(s3) : { endpoint: s3.url, pathStyle: true }
  const access = accessInFile(endpoint, s3.accessKeyId, pathStyle)
  await writeFile(join(folder, 'secret'), `${s3.secretAccessKey}\n`)
  const settings = join(folder, 'nightshift.yaml')
  const writeSettings = (more = '') =>
    writeFile(
      settings,
      `buckets:
  - { bucket: jobs, ${access} }
  - { bucket: team-*, ${access}, prefix: in }
  - { bucket: readable, ${access}, write: false }
  - { bucket: writable, ${access}, read: false }
${more}${before ? `blobs: { bucket: night, prefix: prod, ${access} }\n` : ''}`,
    )
  await writeSettings()
  const subject = await openLocal({}, settings)
  const get = (Bucket: string, Key: string): Promise<string | null> =>
    client.getObject({ Bucket, Key }).then(
      ({ Body }) => Body?.transformToString() ?? null,
      () => null,
    )
  return {
    subject,
    s3,
    client,
    endpoint,
    async newBucket(bucket, project) {
      await client.createBucket({ Bucket: bucket })
      const entry = `  - { bucket: ${bucket}, projects: ["${project}"], ${access} }\n`
      await subject.restart({ whileOff: () => writeSettings(entry) })
    },
    async put(bucket, key, bytes) {
      await client.putObject({ Bucket: bucket, Key: key, Body: Buffer.from(bytes) })
      return `s3://${bucket}/${key}`
    },
    get,
    list: async (bucket, prefix) =>
      ((await client.listObjectsV2({ Bucket: bucket, Prefix: prefix })).Contents ?? []).map(({ Key }) => Key ?? '').toSorted(),
    async results(address) {
      const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.*)$/s.exec(address ?? '') ?? []
      return address === null ? [] : parseResults((await get(bucket, key)) ?? 'not there')
    },
    async [Symbol.asyncDispose]() {
      await subject[Symbol.asyncDispose]()
      client.destroy()
      await s3[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}
