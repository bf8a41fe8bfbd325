import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { databases } from '../../test/support/databases.ts'
import { openFolder } from '../blobs/folder.ts'
import { systemClock } from '../kit/clock.ts'
import { checkStoreMark, StrangeFiles } from './store-mark.ts'

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  async function open() {
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-mark-'))
    const db = await openDb()
    onTestFinished(async () => {
      await db[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })
    let marks = 0
    const clock = { ...systemClock, sleep: () => systemClock.sleep(50) }
    const files = (place: string) => openFolder(join(folder, place))
    const check = (place: string) => checkStoreMark({ db, files: files(place), clock, newUuid: () => `mark-${marks++}` }, place)
    return { files, check }
  }

  test('processes that start at once make one mark, and later ones find it', async () => {
    const { check } = await open()
    await Promise.all(Array.from({ length: 8 }, () => check('shared')))
    await check('shared')
  })

  test('a place of files that is not that of the database is refused, and says what to do', async () => {
    const { check } = await open()
    await check('here')
    await expect(check('elsewhere')).rejects.toThrow(StrangeFiles)
    await expect(check('elsewhere')).rejects.toThrow(/elsewhere are not those of the database.*--blobs/)
    await check('here')
  })

  test('files that are older than their database are taken on', async () => {
    const { files, check } = await open()
    await files('old').put('store-mark', Buffer.from('mark-of-before'))
    await check('old')
    await check('old')
    await expect(check('new')).rejects.toThrow(/put 'mark-of-before' into its 'store-mark'/)
  })
})
