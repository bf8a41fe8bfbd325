import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { project } from '../test/support/batch-rows.ts'
import { databases } from '../test/support/databases.ts'
import { handClock } from '../test/support/hand-clock.ts'
import { checkGrants } from './operating.ts'
import { putGrant } from './store/buckets.ts'
import { insertProject } from './store/projects.ts'

test.each(Object.entries(databases))('%s: a bucket is tried under each grant that answers to its name', async (_, openDb) => {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-engine-'))
  await using db = await openDb(handClock())
  onTestFinished(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'a'))
  await insertProject(db, { id: project, name: 'p', isDefault: true, createdAt: 0 })
  for (const [bucket, place] of [
    ['team-a', join(folder, 'a')],
    ['team-*', join(folder, 'none')],
    ['other', folder],
  ] as const)
    await putGrant(db, { projectId: project, bucket, place: { kind: 'folder', folder: place } }, 'operator')
  const found = await checkGrants(db, 'team-a')
  expect(Object.fromEntries(found.map(({ grant, checked }) => [grant.bucket, checked.every(({ ok }) => ok)]))).toEqual({
    'team-*': false,
    'team-a': true,
  })
  expect(await checkGrants(db, 'nobodys')).toEqual([])
})
