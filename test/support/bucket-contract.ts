import { expect, test } from 'vitest'
import { BucketDenied, ObjectChanged, ObjectMissing, type Bucket } from '../../src/blobs/bucket.ts'
import { whole } from './blobs-contract.ts'

/** A bucket, and how somebody sees it who is not Nightshift. */
export interface OpenBucket {
  readonly bucket: Bucket
  /** The same bucket as another process opens it. */
  again(): Bucket
  put(key: string, bytes: string | Buffer): Promise<void>
  get(key: string): Promise<string | null>
  remove(key: string): Promise<void>
  /** All keys, and what is staged: nothing of ours may be left among them. */
  left(): Promise<string[]>
}

const read = async (bucket: Bucket, key: string) => {
  const seen = await bucket.head(key)
  return seen && whole(bucket.read(key, seen))
}
async function* endless(stop: AbortController): AsyncGenerator<Buffer> {
  for (let i = 0; ; i++) {
    if (i === 5) stop.abort(new Error('enough'))
    yield Buffer.alloc(1_000_000)
  }
}
async function* breaks(): AsyncGenerator<Buffer> {
  yield Buffer.alloc(1_000_000)
  throw new Error('the source broke')
}

/** What every adapter of `Bucket` must do. */
export function bucketContract(open: () => Promise<OpenBucket>): void {
  test('an object is found by its key, whatever characters that has', async () => {
    const { bucket, put } = await open()
    for (const key of ['a.jsonl', 'in a+b/ü%20?#.jsonl', 'a&b=c;d/+%2F+ 100%.jsonl', 'x..y/..z..jsonl', "q'(1)!*.jsonl"]) {
      await put(key, key)
      expect(await read(bucket, key), key).toBe(key)
    }
  })

  test('what is not there is nothing, and a key that could lead elsewhere is as one that is not there', async () => {
    const { bucket } = await open()
    for (const key of ['none', 'in/none', '../b/a', 'in/../../b/a', './a', '..', '.', '', 'a\0', 'n'.repeat(1100)]) {
      expect(await bucket.head(key), key).toBeNull()
      if (!bucket.canHold(key)) await expect(bucket.stage(key, 'o', Buffer.from('x')), key).rejects.toThrow(BucketDenied)
    }
    expect(bucket.canHold('in/../x')).toBe(false)
  })

  test('a stretch of an object is read alone', async () => {
    const { bucket, put } = await open()
    await put('a', 'hello world')
    const seen = (await bucket.head('a'))!
    expect(seen.bytes).toBe(11)
    expect(await whole(bucket.read('a', seen, { start: 6 }))).toBe('world')
    expect(await whole(bucket.read('a', seen, { start: 2, bytes: 3 }))).toBe('llo')
    expect(await whole(bucket.read('a', seen, { start: 9, bytes: 100 }))).toBe('ld')
    expect(await whole(bucket.read('a', seen, { start: 11 }))).toBe('')
  })

  test('an object of no bytes', async () => {
    const { bucket, put, get } = await open()
    await put('none', '')
    expect(await bucket.head('none')).toMatchObject({ bytes: 0 })
    expect(await read(bucket, 'none')).toBe('')
    const staged = await bucket.stage('made', 'o', (async function* () {})())
    expect(staged.bytes).toBe(0)
    expect(await bucket.publish('made', staged)).toMatchObject({ bytes: staged.bytes })
    expect(await get('made')).toBe('')
  })

  test('what is staged is not there before it is published, appears whole, once, and is known again', async () => {
    const { bucket, get, left } = await open()
    const staged = await bucket.stage('a', 'owner', [Buffer.from('re'), Buffer.from('sult')])
    expect(await bucket.head('a')).toBeNull()
    expect(await bucket.publish('a', staged)).toMatchObject({ bytes: staged.bytes })
    expect(await bucket.publish('a', staged)).toMatchObject({ bytes: staged.bytes })
    expect(await bucket.head('a')).toMatchObject({ tag: staged.tag, bytes: 6 })
    expect([await get('a'), await left()]).toEqual(['result', ['a']])
  })

  test('a process that was killed between staging and publishing: another one publishes by the handle', async () => {
    const { bucket, again, get } = await open()
    const staged = await bucket.stage('a', 'owner', Buffer.from('result'))
    expect(await again().publish('a', structuredClone(staged))).toMatchObject({ bytes: staged.bytes })
    expect(await get('a')).toBe('result')
  })

  test('nothing that is there is overwritten, and of many at once one wins', async () => {
    const { bucket, put, get, left } = await open()
    await put('taken', 'mine')
    const lost = await bucket.stage('taken', 'o', Buffer.from('x'))
    expect(await bucket.publish('taken', lost)).toBe('taken')
    expect(await get('taken')).toBe('mine')
    await bucket.discard('taken', lost.handle)
    const staged = await Promise.all(Array.from({ length: 8 }, (_, i) => bucket.stage('one', `o${i}`, Buffer.from(String(i)))))
    const all = await Promise.all(staged.map((one) => bucket.publish('one', one)))
    expect(all.filter((how) => how !== 'taken')).toHaveLength(1)
    expect(await get('one')).toBe(String(all.findIndex((how) => how !== 'taken')))
    for (const one of staged) await bucket.discard('one', one.handle)
    expect(await left()).toEqual(['one', 'taken'])
  })

  test('what was begun is told before its first byte, and discarding it leaves nothing', async () => {
    const { bucket, again, left } = await open()
    const told: string[] = []
    const source = (async function* () {
      expect(told).toHaveLength(1)
      yield Buffer.from('x')
    })()
    const { handle } = await bucket.stage('a', 'b1-1', source, undefined, { begun: async (h) => void told.push(h) })
    await bucket.stage('b', 'b2-1', Buffer.from('x'))
    await again().discard('a', told[0]!)
    await again().discard('a', handle)
    await again().discard('a', '')
    expect(await left()).toHaveLength(1)
    await expect(
      bucket.stage('a', 'o', Buffer.from('x'), undefined, { begun: () => Promise.reject(new Error('not now')) }),
    ).rejects.toThrow('not now')
    expect(await left()).toHaveLength(1)
  })

  test('a source that breaks and an abort leave nothing', async () => {
    const { bucket, left } = await open()
    await expect(bucket.stage('a', 'o', breaks())).rejects.toThrow('the source broke')
    const stop = new AbortController()
    await expect(bucket.stage('a', 'o', endless(stop), stop.signal)).rejects.toThrow('enough')
    expect(await left()).toEqual([])
  })

  test('the proof of the right to write leaves nothing', async () => {
    const { bucket, put, left } = await open()
    await put('in.jsonl', 'x')
    await bucket.proveWrite('in.jsonl', '01900000-0000-7000-8000-000000000001')
    await bucket.discardStaged('in.jsonl', '01900000-0000-7000-8000-000000000001')
    expect(await left()).toEqual(['in.jsonl'])
  })

  test('only what was seen is deleted', async () => {
    const { bucket, put, get, remove } = await open()
    await put('a', 'one')
    const seen = (await bucket.head('a'))!
    await remove('a')
    await put('a', 'two!')
    expect(await bucket.delete('a', seen)).toBe(false)
    expect(await get('a')).toBe('two!')
    expect(await bucket.delete('a', (await bucket.head('a'))!)).toBe(true)
    expect(await bucket.delete('a', seen)).toBe(true)
    const staged = await bucket.stage('b', 'o', Buffer.from('x'))
    await bucket.publish('b', staged)
    expect(await bucket.delete('b', staged)).toBe(true)
    expect(await get('b')).toBeNull()
  })

  test('an object that is another than was seen, or gone, says so', async () => {
    const { bucket, put, remove } = await open()
    await put('a', 'a'.repeat(100_000))
    const seen = (await bucket.head('a'))!
    await put('a', 'b'.repeat(100_000))
    await expect(whole(bucket.read('a', seen))).rejects.toThrow(ObjectChanged)
    await remove('a')
    await expect(whole(bucket.read('a', seen))).rejects.toThrow(ObjectMissing)
  })

  test('an abort ends a reading with its reason', async () => {
    const { bucket, put } = await open()
    await put('a', Buffer.alloc(3_000_000))
    const stop = new AbortController()
    const reading = bucket.read('a', (await bucket.head('a'))!, undefined, stop.signal)[Symbol.asyncIterator]()
    await reading.next()
    stop.abort(new Error('enough'))
    await expect(reading.next()).rejects.toThrow('enough')
  })
}
