import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { project, runningBatch } from '../../../test/support/batch-rows.ts'
import { databases } from '../../../test/support/databases.ts'
import { handClock } from '../../../test/support/hand-clock.ts'
import type { Bucket, ObjectSeen } from '../../blobs/bucket.ts'
import { openFolderBucket } from '../../blobs/bucket-folder.ts'
import { noSums } from '../../domain/usage.ts'
import { loadBatch } from '../../store/batches.ts'
import { putGrant } from '../../store/buckets.ts'
import { closeShards } from '../../store/shards.ts'
import { composeObjects } from './compose-objects.ts'
import type { WorkerParts } from '../parts.ts'
import type { Results } from './results.ts'
import { claimCompose, publishBatch } from '../../../test/support/one.ts'

const never = new AbortController().signal
async function* bytes(text: string) {
  yield Buffer.from(text)
}
const file = (text: string) => ({ stream: () => bytes(text), stretches: async () => null })
const results: Results = { output: file('output\n'), error: file('error\n'), whole: true }

describe.each(Object.entries(databases))('%s', (_, openDb) => {
  /** A batch over the object `in.jsonl`, all shards of it closed. */
  async function open() {
    const folder = await mkdtemp(join(tmpdir(), 'nightshift-objects-'))
    const clock = handClock()
    const db = await openDb(clock)
    onTestFinished(async () => {
      await db[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })
    const id = await runningBatch(db, 1)
    await db.query(`update batches set input = $2 where id = $1`, [id, JSON.stringify('s3://b/in.jsonl')])
    await db.query(`update shards set state = 'done' where batch_id = $1`, [id])
    await putGrant(db, { projectId: project, bucket: 'b', place: { kind: 'folder', folder } }, 'own')

    /** Claims it, and composes with a bucket in which things happen. */
    async function composer(more: (bucket: Bucket) => Partial<Bucket> = () => ({})) {
      const walk = await claimCompose(db, 'w', 1000, 0)
      const batch = await loadBatch(db, id)
      if (!walk || !batch) throw new Error('nothing to compose')
      await closeShards(db, id, walk.fence)
      const bucket = openFolderBucket(folder, 'b')
      const settings = { leaseMs: 1000, suffixes: { output: '-output.jsonl', error: '-error.jsonl' } }
      const parts = { db, clock, settings, openBucket: () => ({ ...bucket, ...more(bucket) }) } as unknown as WorkerParts
      const compose = () => composeObjects(parts, batch, walk.fence, results, never)
      return {
        compose,
        async publish() {
          const placed = await compose()
          if (!placed) throw new Error('the fence is old')
          return publishBatch(db, batch, walk.fence, { ...placed, ending: 'completed', sums: noSums, layout: null })
        },
      }
    }
    /** Its lease ends, and another composes and publishes. */
    async function overtake() {
      await clock.advance(1001)
      expect(await (await composer()).publish()).toBe(true)
    }
    const names = async () => (await readdir(folder)).toSorted()
    const reserved = async () => (await db.query(`select key from outputs where published_at is null`)).length
    const tags = async () => (await db.query(`select tag from outputs`)).map(({ tag }) => String(tag))
    return { folder, clock, composer, overtake, names, reserved, tags }
  }

  test.each([
    ['before its first object appears', 'in-output.jsonl'],
    ['between its two objects', 'in-error.jsonl'],
  ])('a composer that stood still %s takes nothing from who has published since', async (__, stillAt) => {
    const { folder, composer, overtake, names, reserved } = await open()
    let stood = false
    const late = await composer(({ publish }) => ({
      async publish(key, staged) {
        if (key === stillAt && !stood) {
          stood = true
          await overtake()
          return 'taken' // NOTE: what it had staged is gone, and there is an object: a store may say either
        }
        return publish(key, staged)
      },
    }))
    await late.compose().catch(() => {})
    expect(await names()).toEqual(['in-error.jsonl', 'in-output.jsonl'])
    expect(await readFile(join(folder, 'in-output.jsonl'), 'utf8')).toBe('output\n')
    expect(await reserved()).toBe(0)
  })

  test('if one name is taken, what was written under the other goes, and both get the id of the batch', async () => {
    const { folder, composer, names } = await open()
    const one = await composer(({ publish }) => ({
      async publish(key, staged) {
        if (key === 'in-error.jsonl') await writeFile(join(folder, key), 'of somebody else')
        return publish(key, staged)
      },
    }))
    expect(await one.publish()).toBe(true)
    expect((await names()).map((name) => name.replace(/in-[0-9a-f-]{36}-/, 'in-ID-'))).toEqual([
      'in-ID-error.jsonl',
      'in-ID-output.jsonl',
      'in-error.jsonl',
    ])
  })

  describe('in a store that gives objects tags of its own', () => {
    const own = 'own-'
    /** A folder whose objects have another tag than what was staged: as S3 may, with keys of the bucket's owner. */
    const withOwnTags = (bucket: Bucket): Partial<Bucket> => {
      const shown = (found: ObjectSeen) => ({ ...found, tag: own + found.tag })
      const inside = <T extends ObjectSeen>(seen: T) => ({ ...seen, tag: seen.tag.replace(own, '') })
      return {
        head: async (key) => bucket.head(key).then((seen) => seen && shown(seen)),
        async standing(key, staged) {
          const found = await bucket.standing(key, staged && inside(staged))
          return typeof found === 'string' ? found : shown(found)
        },
        async publish(key, staged) {
          const put = await bucket.publish(key, inside(staged))
          return put === 'taken' ? put : shown(put)
        },
        delete: async (key, seen) => seen.tag.startsWith(own) && bucket.delete(key, inside(seen)),
      }
    }

    test('the row says the tag that the object has', async () => {
      const { composer, tags } = await open()
      expect(await (await composer(withOwnTags)).publish()).toBe(true)
      expect((await tags()).filter((tag) => tag.startsWith(own))).toHaveLength(2)
    })

    test('a composer that died behind an appearance is followed by one that knows what stands there', async () => {
      const { composer, clock, names, tags } = await open()
      const dies = await composer((bucket) => {
        const its = withOwnTags(bucket)
        return {
          ...its,
          async publish(key, staged) {
            await its.publish!(key, staged)
            throw new Error('killed')
          },
        }
      })
      await expect(dies.compose()).rejects.toThrow('killed')
      await clock.advance(1001)
      expect(await (await composer(withOwnTags)).publish()).toBe(true)
      expect(await names()).toEqual(['in-error.jsonl', 'in-output.jsonl'])
      expect((await tags()).filter((tag) => tag.startsWith(own))).toHaveLength(2)
    })

    test('what was written under a name of a pair goes when the other is taken', async () => {
      const { folder, composer, names } = await open()
      const one = await composer((bucket) => {
        const its = withOwnTags(bucket)
        return {
          ...its,
          async publish(key, staged) {
            if (key === 'in-error.jsonl') await writeFile(join(folder, key), 'of somebody else')
            return its.publish!(key, staged)
          },
        }
      })
      expect(await one.publish()).toBe(true)
      expect(await names()).not.toContain('in-output.jsonl')
    })
  })

  test('what is doomed is deleted by the next composer, and not published', async () => {
    const { folder, composer, overtake, names } = await open()
    const dies = await composer(({ publish }) => ({
      async publish(key, staged) {
        if (key === 'in-error.jsonl') await writeFile(join(folder, key), 'of somebody else')
        return publish(key, staged)
      },
      delete: () => Promise.reject(new Error('killed')),
    }))
    await expect(dies.compose()).rejects.toThrow('killed')
    await rm(join(folder, 'in-error.jsonl'))
    const before = await readdir(folder)
    expect(before).toContain('in-output.jsonl')
    await overtake()
    expect(await names()).toEqual(['in-error.jsonl', 'in-output.jsonl'])
  })
})
