import { mkdtemp, readdir, rm, writeFile, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { blobsContract } from '../../test/support/blobs-contract.ts'
import { openFolder } from './folder.ts'

async function home(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nightshift-blobs-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

describe('folder', () => {
  blobsContract(async () => openFolder(await home()))
})

test('what a killed put left half written is swept, and no younger one', async () => {
  const folder = await home()
  await mkdir(join(folder, '.tmp'))
  await writeFile(join(folder, '.tmp/half'), 'x')
  const blobs = openFolder(folder)
  await blobs.sweepTemporary(Date.now() - 60_000)
  expect(await readdir(join(folder, '.tmp'))).toEqual(['half'])
  await blobs.sweepTemporary(Date.now() + 60_000)
  expect(await readdir(join(folder, '.tmp'))).toEqual([])
})
