import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { followToEnd, poll } from './follow.ts'
import { linesOf, threeLines } from './lines.ts'
import { bytesUnder, openLocal } from './local.ts'
import { test, isRemote, type Subject } from './subject.ts'
import { call, create, expectRefused, getBatch, getFile, listFiles, upload, type Batch, type Creation } from './wire.ts'

const end = async (subject: Subject, creation: Partial<Creation> = {}): Promise<Batch> => {
  const input_file_id = (await upload(subject, threeLines().text)).id
  return followToEnd(subject, (await create(subject, { input_file_id, ...creation })).id)
}

test('117: an output is a file of purpose batch_output that lives 30 days', async ({ subject }) => {
  const batch = await end(subject)
  const output = await getFile(subject, batch.output_file_id ?? '')
  expect(output).toMatchObject({
    object: 'file',
    purpose: 'batch_output',
    filename: `${batch.id}_output.jsonl`,
    status: 'processed',
  })
  expect(output.expires_at).toBe(output.created_at + 2_592_000)
  expect((await listFiles(subject, '?purpose=batch_output')).data.map(({ id }) => id)).toContain(output.id)
})

test.skipIf(isRemote)(
  '118: an output whose time is over is gone, from the disk too, and its batch can still be read',
  async () => {
    await using subject = await openLocal()
    const input = await upload(subject, linesOf(Array.from({ length: 200 }, () => 'x'.repeat(5000))).text)
    const { id } = await create(subject, {
      input_file_id: input.id,
      output_expires_after: { anchor: 'created_at', seconds: 3600 },
    })
    const batch = await followToEnd(subject, id)
    const before = await bytesUnder(subject.data)
    const output = batch.output_file_id ?? ''
    await subject.advance(3_599_000 - 60_000)
    expect((await getFile(subject, output)).id).toBe(output)
    await subject.advance(120_000)
    for (const rest of ['', '/content'])
      expectRefused(await call(subject, 'GET', `/v1/files/${output}${rest}`), 404, { param: 'id' })
    expect((await listFiles(subject)).data.map((file) => file.id)).toEqual([input.id])
    expect(await getBatch(subject, id)).toEqual(batch)
    await poll(
      () => bytesUnder(subject.data),
      (bytes) => bytes < before - 900_000,
      'the bytes are deleted',
    )
  },
)

test.skipIf(isRemote)(
  '118: result objects are deleted when their time is over, but not what somebody else wrote there',
  async () => {
    await using subject = await openLocal()
    const { name, folder } = subject.bucket
    const run = async (key: string) => {
      await writeFile(join(folder, key), threeLines().text)
      const output_expires_after = { anchor: 'created_at', seconds: 3600 }
      const batch = await followToEnd(
        subject,
        (await create(subject, { input_file_id: `s3://${name}/${key}`, output_expires_after })).id,
      )
      expect(batch.status).toBe('completed')
    }
    await run('a.jsonl')
    await run('b.jsonl')
    await writeFile(join(folder, 'b-output.jsonl'), 'mine now\n')
    await subject.advance(3_700_000)
    await poll(
      () => readdir(folder),
      (names) => !names.includes('a-output.jsonl'),
      'the object is deleted',
    )
    expect((await readdir(folder)).toSorted()).toEqual(['a.jsonl', 'b-output.jsonl', 'b.jsonl'])
    expect(await readFile(join(folder, 'b-output.jsonl'), 'utf8')).toBe('mine now\n')
  },
)

test('119: deleting the output leaves the batch as it is', async ({ subject }) => {
  const batch = await end(subject)
  expect((await call(subject, 'DELETE', `/v1/files/${batch.output_file_id}`)).status).toBe(200)
  expect(await getBatch(subject, batch.id)).toEqual(batch)
  expectRefused(await call(subject, 'GET', `/v1/files/${batch.output_file_id}/content`), 404)
})
