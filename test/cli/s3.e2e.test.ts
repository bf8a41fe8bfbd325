/** The program as it is built, with what it loads late: a batch from S3 to S3. */
import { mkdir, writeFile } from 'node:fs/promises'
import { expect, onTestFinished, test } from 'vitest'
import { startSimulator } from '../../src/app.ts'
import { followToEnd } from '../conformance/follow.ts'
import { linesOf, model } from '../conformance/lines.ts'
import { create } from '../conformance/wire.ts'
import { accessInFile, clientOf, findS3Program, serverNames, startS3 } from '../support/s3-server.ts'
import { openFolder, serve } from './program.ts'

const name = serverNames.find((one) => findS3Program(one) !== null)

test.skipIf(name === undefined)('a batch over an object, with files and scratch on S3 too', async () => {
  await using s3 = await startS3(name ?? '')
  await using folder = await openFolder()
  await using simulator = await startSimulator({ models: [model], firstTokenMs: 1, tokenMs: 0 })
  const client = clientOf(s3)
  onTestFinished(() => client.destroy())
  const lines = linesOf(Array.from({ length: 20 }, () => ''))
  for (const Bucket of ['jobs', 'night']) await client.createBucket({ Bucket })
  await client.putObject({ Bucket: 'jobs', Key: 'a/in.jsonl', Body: lines.text })
  await mkdir(folder.in('settings'))
  await writeFile(folder.in('settings/secret'), s3.secretAccessKey)
  const access = accessInFile(s3.url, s3.accessKeyId)
  await writeFile(
    folder.in('settings/nightshift.yaml'),
    `blobs: { bucket: night, prefix: prod, ${access} }\nbuckets:\n  - { bucket: jobs, ${access}, projects: [default] }\n`,
  )
  await using server = await serve(folder.in('data'), simulator.url, {
    flags: ['--config', folder.in('settings/nightshift.yaml')],
  })
  const batch = await followToEnd(server, (await create(server, { input_file_id: 's3://jobs/a/in.jsonl' })).id)
  expect([batch.status, batch.output_file_id]).toEqual(['completed', 's3://jobs/a/in-output.jsonl'])
  const { Body } = await client.getObject({ Bucket: 'jobs', Key: 'a/in-output.jsonl' })
  expect((await Body?.transformToString())?.trim().split('\n')).toHaveLength(20)
})
