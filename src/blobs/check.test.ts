import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { s3Error, startFaultProxy } from '../../test/support/fault-proxy.ts'
import { clientOf, findS3Program, placeOf, serverNames, startS3 } from '../../test/support/s3-server.ts'
import { checkBucket } from './check.ts'

const told = async (...args: Parameters<typeof checkBucket>) => (await checkBucket(...args)).map(({ what, ok }) => [what, ok])
const all = ['look', 'write', 'publish', 'read', 'delete'] as const

test('a folder is tried, and nothing of that is left', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-check-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  expect(await told({ kind: 'folder', folder }, 'b')).toEqual(all.map((what) => [what, true]))
  expect(await readdir(folder)).toEqual([])
})

test('what is wrong is said, and what comes after it is not tried', async () => {
  const found = await checkBucket({ kind: 'folder', folder: '/nowhere' }, 'b')
  expect(found.map(({ what, ok }) => [what, ok])).toEqual([
    ['look', true],
    ['write', false],
  ])
  expect(found[1]?.says).toContain("The folder of 'nightshift-check-")
})

describe.each(serverNames)('%s', (name) => {
  test.skipIf(findS3Program(name) === null)(
    'a grant on S3 is tried for what it allows, and the first right that is missing is named',
    async () => {
      await using server = await startS3(name)
      await using proxy = await startFaultProxy(server.url)
      const client = clientOf(server)
      onTestFinished(() => client.destroy())
      await client.createBucket({ Bucket: 'jobs' })
      expect(await told(placeOf(proxy, { prefix: 'in/' }), 'jobs')).toEqual(all.map((what) => [what, true]))
      expect(await told(placeOf(proxy, { write: false }), 'jobs')).toEqual(
        all.map((what) => [what, what === 'look' ? true : null]),
      )
      expect((await client.listObjectsV2({ Bucket: 'jobs' })).Contents ?? []).toEqual([])
      proxy.faults = ({ method }) => (method === 'DELETE' ? { kind: 'answer', status: 403, body: s3Error('AccessDenied') } : null)
      const found = await checkBucket(placeOf(proxy), 'jobs')
      expect(found.at(-1)).toMatchObject({ what: 'write', ok: false, says: expect.stringContaining('AbortMultipartUpload') })
      expect((await checkBucket(placeOf(proxy), 'never-made')).at(-1)?.says).toContain('no such bucket')
    },
  )
})
