import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadSettings } from '../config.ts'
import { blobsRoot } from './blobs.ts'

const folder = mkdtempSync(join(tmpdir(), 'nightshift-config-s3-'))
afterAll(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'secret'), 'from a file\n')
const env = { S3_KEY: 'AK', S3_SECRET: 'from a variable' }
let files = 0
const load = (text: string, more: { blobs?: string; env?: Record<string, string> } = {}) => {
  const config = join(folder, `${files++}.yaml`)
  writeFileSync(config, text)
  return loadSettings({ config, flags: { ...(more.blobs !== undefined && { blobs: more.blobs }) } }, { ...env, ...more.env })
}
const access = 'endpoint: https://s3.fr-par.scw.cloud, region: fr-par, accessKeyId: ${S3_KEY}, secretAccessKey: ${S3_SECRET}'
const read = { kind: 's3', endpoint: 'https://s3.fr-par.scw.cloud', region: 'fr-par', pathStyle: false }
const secrets = { accessKeyId: { variable: 'S3_KEY' }, secretAccessKey: { variable: 'S3_SECRET' } }

describe('buckets on S3', () => {
  test('are read as they are documented, and their secrets stay where they are kept', () => {
    const { buckets } = load(`buckets:\n  - { bucket: "team-*", ${access}, projects: [a, b] }`)
    expect(buckets).toEqual([{ bucket: 'team-*', projects: ['a', 'b'], place: { ...read, ...secrets, read: true, write: true } }])
    expect(JSON.stringify(buckets)).not.toContain('from a variable')
  })

  test('have every field that a grant may have', () => {
    const { buckets } = load(`buckets:
  - bucket: jobs
    endpoint: http://127.0.0.1:9000/
    accessKeyId: plain
    secretAccessKey: { file: secret }
    sessionToken: "\${S3_SECRET}"
    prefix: /in/parts
    read: true
    write: false
  - { bucket: two, endpoint: "http://h", accessKeyId: k, secretAccessKey: \${S3_SECRET}, pathStyle: false }`)
    expect(buckets[0]?.place).toEqual({
      kind: 's3',
      endpoint: 'http://127.0.0.1:9000',
      region: 'us-east-1',
      accessKeyId: 'plain',
      secretAccessKey: { file: join(folder, 'secret') },
      sessionToken: { variable: 'S3_SECRET' },
      prefix: 'in/parts/',
      read: true,
      write: false,
      pathStyle: true,
    })
    expect(buckets[1]?.place).toMatchObject({ pathStyle: false })
  })

  test.each([
    ['{ bucket: b }', /needs a folder, or the endpoint/],
    ['{ bucket: b, folder: ./x, endpoint: "https://h" }', /in one place only/],
    ['{ bucket: b, folder: ./x, region: r }', /region is for buckets on S3/],
    ['{ bucket: "a b", ' + access + ' }', /not the name of a bucket/],
    [`{ bucket: b, ${access.replace('https:', 'ftp:')} }`, /endpoint must be the address/],
    [`{ bucket: b, ${access.replace('scw.cloud', 'scw.cloud/b')} }`, /without a path/],
    [`{ bucket: b, ${access.replace('fr-par,', '[x],')} }`, /region must be/],
    [`{ bucket: b, ${access.replace('accessKeyId: ${S3_KEY}, ', '')} }`, /accessKeyId is missing/],
    [`{ bucket: b, ${access.replace('${S3_SECRET}', 'in-the-clear')} }`, /secretAccessKey must be a variable/],
    [`{ bucket: b, ${access.replace('${S3_SECRET}', '${NOT_SET}')} }`, /the variable NOT_SET is not set/],
    [`{ bucket: b, ${access.replace('${S3_SECRET}', '{ file: none }')} }`, /none cannot be read/],
    [`{ bucket: b, ${access}, read: maybe }`, /read must be true or false/],
    [`{ bucket: b, ${access}, write: 1 }`, /write must be true or false/],
    [`{ bucket: b, ${access}, pathStyle: x }`, /pathStyle must be true or false/],
    [`{ bucket: b, ${access}, prefix: [1] }`, /prefix must be text/],
    [`{ bucket: b, ${access}, perfix: x }`, /a bucket has no 'perfix'/],
    [`{ bucket: b, ${access}, projects: x }`, /projects must be a list/],
  ])('%s is refused with what is wrong', (entry, message) => {
    expect(() => load(`buckets:\n  - ${entry}`)).toThrow(message)
    expect(() => load(`buckets:\n  - ${entry}`)).toThrow(expect.not.stringContaining('in-the-clear') as never)
  })
})

describe('blobs', () => {
  const field = `blobs: { bucket: night, prefix: prod, ${access} }`

  test('lie in the data folder, in another one, or in a bucket', () => {
    const rootOf = (text: string, blobs?: string) => blobsRoot(load(text, blobs === undefined ? {} : { blobs }))
    expect(rootOf('data: /d')).toEqual({ kind: 'folder', folder: '/d' })
    expect(rootOf('blobs: shared')).toEqual({ kind: 'folder', folder: resolve('shared') })
    expect(rootOf(field)).toEqual({ ...read, ...secrets, bucket: 'night', prefix: 'prod/' })
    expect(rootOf(field, '/mnt')).toEqual({ kind: 'folder', folder: '/mnt' })
    expect(rootOf(field, 's3://other')).toEqual({ ...read, ...secrets, bucket: 'other', prefix: '' })
    expect(blobsRoot({ ...load(field), blobs: '', data: '/d' })).toEqual({ kind: 'folder', folder: '/d' })
  })

  test('are reached with the usual variables where the file says nothing', () => {
    const usual = { AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's' }
    const rootOf = (more: Record<string, string>) => blobsRoot(load('', { blobs: 's3://night/a/b/', env: { ...usual, ...more } }))
    const place = {
      kind: 's3',
      bucket: 'night',
      prefix: 'a/b/',
      accessKeyId: { variable: 'AWS_ACCESS_KEY_ID' },
      secretAccessKey: { variable: 'AWS_SECRET_ACCESS_KEY' },
    }
    expect(rootOf({ AWS_REGION: 'eu-west-1' })).toEqual({
      ...place,
      endpoint: 'https://s3.eu-west-1.amazonaws.com',
      region: 'eu-west-1',
      pathStyle: false,
    })
    expect(rootOf({ AWS_ENDPOINT_URL: 'http://h:9000', AWS_SESSION_TOKEN: 't' })).toEqual({
      ...place,
      endpoint: 'http://h:9000',
      region: 'us-east-1',
      sessionToken: { variable: 'AWS_SESSION_TOKEN' },
      pathStyle: true,
    })
  })

  test.each([
    ['', 's3://night/x', /--blobs: blobs on S3 need credentials, and AWS_ACCESS_KEY_ID is not set/],
    ['blobs: s3://night', undefined, /blobs on S3 need credentials/],
    ['', 's3:///x', /--blobs: not a place for blobs/],
    [`blobs: { prefix: x, ${access} }`, undefined, /line 1: blobs on S3 need a bucket/],
    [`blobs: { bucket: n, folder: x, ${access} }`, undefined, /have no 'folder'/],
    ['blobs: { bucket: night }', undefined, /endpoint must be/],
  ])('%s %s is refused with what is wrong', (text, blobs, message) => {
    expect(() => load(text, blobs === undefined ? {} : { blobs })).toThrow(message)
  })
})
