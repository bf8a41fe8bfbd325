import { randomUUID } from 'node:crypto'
import type { BucketPlace } from '../domain/grant.ts'
import type { Bucket } from './bucket.ts'
import { openBucket } from './open.ts'

/** One thing that a grant must be good for. */
export interface Checked {
  readonly what: 'look' | 'write' | 'publish' | 'read' | 'delete'
  /** null: the grant does not allow it, so it was not tried. */
  readonly ok: boolean | null
  /** What was done, or what is wrong and what to do. */
  readonly says: string
}

/** Tries what batches will do in a bucket, with an object of its own beside `prefix`, of which nothing is left. What comes after a failure is not tried. */
export async function checkBucket(
  place: BucketPlace,
  name: string,
  bucket: Bucket = openBucket(place, name),
): Promise<Checked[]> {
  const id = randomUUID()
  const key = `${place.kind === 's3' ? (place.prefix ?? '') : ''}nightshift-check-${id}.jsonl`
  const bytes = Buffer.from('{"check":true}\n')
  const mayRead = place.kind === 'folder' || place.read
  const mayWrite = place.kind === 'folder' || place.write
  const steps: readonly [Checked['what'], boolean, () => Promise<string>][] = [
    [
      'look',
      mayRead,
      async () =>
        (await bucket.head(key)) === null ? 'an object that is not there is told from one that may not be seen' : wrong(key),
    ],
    ['write', mayWrite, () => bucket.proveWrite(key, id).then(() => 'an upload was begun and aborted')],
    ['publish', mayRead && mayWrite, () => publish(bucket, key, id, bytes)],
    ['read', mayRead && mayWrite, () => readBack(bucket, key, bytes)],
    ['delete', mayRead && mayWrite, () => remove(bucket, key)],
  ]
  const checked: Checked[] = []
  for (const [what, allowed, step] of steps) {
    if (!allowed) checked.push({ what, ok: null, says: `the grant says ${mayRead ? 'write' : 'read'}: false` })
    else
      try {
        checked.push({ what, ok: true, says: await step() })
      } catch (error) {
        checked.push({ what, ok: false, says: error instanceof Error ? error.message : String(error) })
        await remove(bucket, key).catch(() => {})
        break
      }
  }
  return checked
}

const wrong = (key: string): never => {
  throw new Error(`there is an object '${key}', which nobody can have put there`)
}

async function publish(bucket: Bucket, key: string, owner: string, bytes: Buffer): Promise<string> {
  const staged = await bucket.stage(key, owner, bytes)
  if ((await bucket.publish(key, staged)) === 'taken') return wrong(key)
  const second = await bucket.stage(key, owner, Buffer.from('other\n'))
  try {
    if ((await bucket.publish(key, second)) !== 'taken') throw new Error('an object that was there has been overwritten')
  } finally {
    await bucket.discard(key, second.handle)
  }
  return 'an object was written, and not overwritten'
}

async function readBack(bucket: Bucket, key: string, bytes: Buffer): Promise<string> {
  const seen = await bucket.head(key)
  const chunks: Buffer[] = []
  if (seen) for await (const chunk of bucket.read(key, seen)) chunks.push(Buffer.from(chunk))
  if (!Buffer.concat(chunks).equals(bytes)) throw new Error('what was read is not what was written')
  return 'it was read as it was written'
}

async function remove(bucket: Bucket, key: string): Promise<string> {
  const seen = await bucket.head(key)
  if (seen && !(await bucket.delete(key, seen))) throw new Error('an object that nobody else knows of has changed')
  return 'it was deleted'
}
