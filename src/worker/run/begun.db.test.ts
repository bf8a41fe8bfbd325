import { describe, expect, onTestFinished, test } from 'vitest'
import { project, runningBatch } from '../../../test/support/batch-rows.ts'
import { databases } from '../../../test/support/databases.ts'
import { handClock } from '../../../test/support/hand-clock.ts'
import { clientOf, findS3Program, placeOf, serverNames, startS3 } from '../../../test/support/s3-server.ts'
import { openS3Bucket } from '../../blobs/bucket-s3.ts'
import type { Bucket } from '../../blobs/bucket.ts'
import { loadBatch } from '../../store/batches.ts'
import { putGrant } from '../../store/buckets.ts'
import { closeShards } from '../../store/shards.ts'
import { composeObjects } from '../compose/compose-objects.ts'
import type { WorkerParts } from '../parts.ts'
import type { Results } from '../compose/results.ts'
import { claimCompose } from '../../../test/support/one.ts'

async function* bytes(text: string) {
  yield Buffer.from(text)
}
const file = (text: string) => ({ stream: () => bytes(text), stretches: async () => null })
const results: Results = { output: file('output\n'), error: file('error\n'), whole: true }

const pairs = Object.entries(databases).flatMap(([database, openDb]) => serverNames.map((name) => ({ database, openDb, name })))

describe.each(pairs)('$database and $name', ({ openDb, name }) => {
  test.skipIf(findS3Program(name) === null)(
    'what composers began and did not end, being killed, is aborted by the next, and no other upload',
    async () => {
      await using server = await startS3(name)
      const clock = handClock()
      await using db = await openDb(clock)
      const client = clientOf(server)
      onTestFinished(() => client.destroy())
      await client.createBucket({ Bucket: 'jobs' })
      const id = await runningBatch(db, 1)
      await db.query(`update batches set input = $2 where id = $1`, [id, JSON.stringify('s3://jobs/in.jsonl')])
      await db.query(`update shards set state = 'done' where batch_id = $1`, [id])
      const place = placeOf(server)
      await putGrant(db, { projectId: project, bucket: 'jobs', place }, 'operator')
      const theirs = await client.createMultipartUpload({ Bucket: 'jobs', Key: 'in-output.jsonl' })

      async function compose(more: Partial<Bucket>) {
        const walk = await claimCompose(db, 'w', 1000, 0)
        const batch = await loadBatch(db, id)
        if (!walk || !batch) throw new Error('nothing to compose')
        await closeShards(db, id, walk.fence)
        const settings = { leaseMs: 1000, suffixes: { output: '-output.jsonl', error: '-error.jsonl' } }
        const bucket = { ...openS3Bucket(place, 'jobs'), ...more }
        const parts = { db, clock, settings, openBucket: () => bucket } as unknown as WorkerParts
        try {
          return await composeObjects(parts, batch, walk.fence, results, new AbortController().signal)
        } finally {
          await clock.advance(2000)
        }
      }
      const killed: Partial<Bucket> = {
        async stage(key, _owner, _source, _signal, staging) {
          const { UploadId } = await client.createMultipartUpload({ Bucket: 'jobs', Key: key })
          await staging?.begun?.(JSON.stringify([UploadId, 'mark']))
          throw new Error('killed')
        },
      }
      for (let i = 0; i < 2; i++) await expect(compose(killed)).rejects.toThrow('killed')
      const placed = await compose({})
      expect(placed?.outputFileId).toBe('s3://jobs/in-output.jsonl')
      const left = (await client.listMultipartUploads({ Bucket: 'jobs' })).Uploads ?? []
      expect(left.map(({ UploadId }) => UploadId)).toEqual([theirs.UploadId])
    },
  )
})
