import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { newBatch, project } from '../../test/support/batch-rows.ts'
import { databases } from '../../test/support/databases.ts'
import { openFolderBucket } from '../blobs/bucket-folder.ts'
import { loadBatch } from '../store/batches.ts'
import { putGrant } from '../store/buckets.ts'
import { findInput } from './input.ts'
import type { WorkerParts } from './parts.ts'

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  /** A batch over an object that is not there any more, and what a walk left that died at its proof. */
  async function open() {
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-input-'))
    const db = await openDb()
    onTestFinished(async () => {
      await db[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })
    const id = await newBatch(db)
    await db.query(`update batches set input = $2 where id = $1`, [id, JSON.stringify('s3://b/in.jsonl')])
    await putGrant(db, { projectId: project, bucket: 'b', place: { kind: 'folder', folder } }, 'own')
    await writeFile(join(folder, `.nightshift-${id}-probe-1`), 'x')
    await writeFile(join(folder, '.nightshift-other-probe-1'), 'x')
    const batch = await loadBatch(db, id)
    if (!batch) throw new Error('no batch')
    const settings = { suffixes: { output: '-output.jsonl', error: '-error.jsonl' } }
    const parts = { db, settings, openBucket: () => openFolderBucket(folder, 'b') } as unknown as WorkerParts
    return { parts, batch, names: () => readdir(folder) }
  }

  test('the next walk removes what one that died has left, also when the object has gone since', async () => {
    const { parts, batch, names } = await open()
    expect(await findInput({ ...parts, lookUp: async () => null }, batch, 2)).toMatchObject({ kind: 'refused' })
    expect(await names()).toEqual(['.nightshift-other-probe-1'])
  })
})
