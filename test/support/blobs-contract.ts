import { expect, test } from 'vitest'
import { BlobMissing, type Blobs } from '../../src/blobs/blobs.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
export async function whole(source: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(Buffer.from(chunk))
  return text(Buffer.concat(chunks))
}
async function* pieces(...parts: string[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part)
}
async function* breaksHalfway(): AsyncGenerator<Buffer> {
  yield Buffer.from('half')
  throw new Error('the source broke')
}
const names = async (blobs: Blobs, prefix: string) => {
  const found: string[] = []
  for await (const { name } of blobs.list(prefix)) found.push(name)
  return found.toSorted()
}

/** What every adapter of `Blobs` must do. */
export function blobsContract(open: () => Promise<Blobs>): void {
  test('what is put is read, whole or in part', async () => {
    const blobs = await open()
    expect(await blobs.put('a/b', pieces('hello', ' ', 'world'))).toBe(11)
    expect(await whole(blobs.read('a/b'))).toBe('hello world')
    expect(await whole(blobs.read('a/b', { start: 6 }))).toBe('world')
    expect(await whole(blobs.read('a/b', { start: 2, bytes: 3 }))).toBe('llo')
    expect(text(await blobs.readRange({ name: 'a/b', start: 4, bytes: 3 }))).toBe('o w')
    expect(await blobs.head('a/b')).toBe(11)
  })

  test('buffers, lists of buffers and streams are all sources; nothing at all is a blob too', async () => {
    const blobs = await open()
    await blobs.put('one', Buffer.from('x'))
    await blobs.put('list', [Buffer.from('x'), Buffer.from('y')])
    expect(await blobs.put('none', pieces())).toBe(0)
    expect(await whole(blobs.read('list'))).toBe('xy')
    const many = Array.from({ length: 1100 }, (_, i) => (i % 200 < 70 ? '' : `${i};`))
    await blobs.put(
      'many',
      many.map((piece) => Buffer.from(piece)),
    )
    expect(await whole(blobs.read('many'))).toBe(many.join(''))
    expect(await whole(blobs.read('none'))).toBe('')
    expect(await blobs.head('none')).toBe(0)
  })

  test('a blob is whole or absent', async () => {
    const blobs = await open()
    await expect(blobs.put('a', breaksHalfway())).rejects.toThrow('the source broke')
    expect(await blobs.head('a')).toBeNull()
    await blobs.put('a', Buffer.from('before'))
    await expect(blobs.put('a', breaksHalfway())).rejects.toThrow('the source broke')
    expect(await whole(blobs.read('a'))).toBe('before')
  })

  test('an abort ends a put with its reason and leaves nothing', async () => {
    const blobs = await open()
    const stop = new AbortController()
    async function* endless(): AsyncGenerator<Buffer> {
      for (let i = 0; ; i++) {
        if (i === 5) stop.abort(new Error('enough'))
        yield Buffer.alloc(100_000)
      }
    }
    await expect(blobs.put('a', endless(), stop.signal)).rejects.toThrow('enough')
    expect(await blobs.head('a')).toBeNull()
    expect(await names(blobs, '')).toEqual([])
  })

  test('what is not there says so, and deleting it is no error', async () => {
    const blobs = await open()
    expect(await blobs.head('none')).toBeNull()
    await expect(whole(blobs.read('none'))).rejects.toThrow(BlobMissing)
    await expect(blobs.readRange({ name: 'none', start: 0, bytes: 1 })).rejects.toThrow(BlobMissing)
    await blobs.put('short', Buffer.from('abc'))
    await expect(blobs.readRange({ name: 'short', start: 1, bytes: 5 })).rejects.toThrow(BlobMissing)
    await blobs.delete(['none', 'short'])
    expect(await blobs.head('short')).toBeNull()
  })

  test('stretches of others make one', async () => {
    const blobs = await open()
    await blobs.put('x', Buffer.from('0123456789'))
    await blobs.put('y', Buffer.from('abc'))
    const ranges = [
      { name: 'x', start: 8, bytes: 2 },
      { name: 'y', start: 0, bytes: 0 },
      { name: 'y', start: 1, bytes: 2 },
    ]
    expect(await blobs.compose('z', ranges, blobs)).toBe(4)
    expect(await whole(blobs.read('z'))).toBe('89bc')
    expect(await blobs.compose('none', [{ name: 'y', start: 3, bytes: 0 }], blobs)).toBe(0)
    expect(await blobs.head('none')).toBe(0)
  })

  test('stretches of another store make one too, and it stays when that has nothing any more', async () => {
    const [blobs, other] = [await open(), await open()]
    const [x, y] = [Buffer.alloc(300_000, 'x0123456789'), Buffer.alloc(200_000, 'y9876543210')]
    await other.put('s/x', x)
    await other.put('s/y', y)
    const ranges = [
      { name: 's/x', start: 7, bytes: 299_993 },
      { name: 's/y', start: 0, bytes: 199_999 },
    ]
    const expected = Buffer.concat([x.subarray(7), y.subarray(0, 199_999)])
    expect(await blobs.compose('p/z', ranges, other)).toBe(499_992)
    await other.delete(['s/x', 's/y'])
    expect([await whole(blobs.read('p/z')), await blobs.head('p/z'), await names(blobs, '')]).toEqual([
      expected.toString(),
      499_992,
      ['p/z'],
    ])
    for (const [start, bytes] of [
      [0, 1],
      [299_990, 10],
      [299_993, 1],
      [499_991, 1],
      [100, 499_000],
    ] as const) {
      const stretch = text(expected.subarray(start, start + bytes))
      expect(await whole(blobs.read('p/z', { start, bytes }))).toBe(stretch)
      expect(text(await blobs.readRange({ name: 'p/z', start, bytes }))).toBe(stretch)
    }
    expect(await whole(blobs.read('p/z', { start: 499_992 }))).toBe('')
    await expect(blobs.readRange({ name: 'p/z', start: 499_990, bytes: 3 })).rejects.toThrow(BlobMissing)
    expect(await names(blobs, 'p/z')).toEqual(['p/z'])
    expect(await names(blobs, 'p/z/')).toEqual([])
    await blobs.delete(['p/z', 'p/z'])
    expect([await blobs.head('p/z'), await names(blobs, '')]).toEqual([null, []])
    await expect(whole(blobs.read('p/z'))).rejects.toThrow(BlobMissing)
  })

  test('what is composed takes the place of what is put, and the other way round', async () => {
    const blobs = await open()
    const bytes = Buffer.alloc(100_000, 'z')
    await blobs.put('x', bytes)
    const compose = () => blobs.compose('a/b', [{ name: 'x', start: 1, bytes: 99_999 }], blobs)
    await blobs.put('a/b', Buffer.from('before'))
    for (let i = 0; i < 2; i++) {
      expect([await compose(), await blobs.head('a/b')]).toEqual([99_999, 99_999])
      expect([await compose(), await blobs.head('a/b')]).toEqual([99_999, 99_999])
      await blobs.put('a/b', Buffer.from('after'))
      expect(await whole(blobs.read('a/b'))).toBe('after')
    }
    expect(await names(blobs, '')).toEqual(['a/b', 'x'])
  })

  test('of blobs that are not there, or shorter than is asked for, nothing is made', async () => {
    const blobs = await open()
    await blobs.put('x', Buffer.alloc(100_000))
    for (const range of [
      { name: 'x', start: 1, bytes: 100_000 },
      { name: 'none', start: 0, bytes: 100_000 },
    ])
      await expect(blobs.compose('z', [{ name: 'x', start: 0, bytes: 100_000 }, range], blobs)).rejects.toThrow(BlobMissing)
    expect(await names(blobs, '')).toEqual(['x'])
    const stop = AbortSignal.abort(new Error('enough'))
    await expect(blobs.compose('z', [{ name: 'x', start: 0, bytes: 100_000 }], blobs, stop)).rejects.toThrow('enough')
    expect(await blobs.head('z')).toBeNull()
  })

  test('a list has what begins with its prefix, at any depth', async () => {
    const blobs = await open()
    for (const name of ['p1/a/1', 'p1/a/2', 'p1/ab/3', 'p2/a/4']) await blobs.put(name, Buffer.from('x'))
    expect(await names(blobs, 'p1/a/')).toEqual(['p1/a/1', 'p1/a/2'])
    expect(await names(blobs, 'p1/a')).toEqual(['p1/a/1', 'p1/a/2', 'p1/ab/3'])
    expect(await names(blobs, '')).toHaveLength(4)
    expect(await names(blobs, 'p3/')).toEqual([])
  })

  test('puts and deletes side by side in one place do not disturb each other', async () => {
    const blobs = await open()
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        await blobs.put(`p/b/${i}`, Buffer.from(String(i)))
        if (i % 2 === 0) await blobs.delete([`p/b/${i}`])
      }),
    )
    expect(await names(blobs, 'p/b/')).toHaveLength(30)
  })

  test('a name that could be a path elsewhere is refused', async () => {
    const blobs = await open()
    for (const name of ['../a', 'a/../b', '/a', 'a//b', '', '.', 'a/', 'a\0b', 'a/./b'])
      await expect((async () => blobs.put(name, Buffer.from('x')))()).rejects.toThrow('not a')
  })

  test('a big blob comes back as it was', async () => {
    const blobs = await open()
    const big = Buffer.alloc(5_000_000, 'abcdefghij')
    await blobs.put('big', pieces(big.toString(), 'end'))
    let bytes = 0
    for await (const chunk of blobs.read('big', { start: 3 })) {
      expect(chunk.length).toBeLessThanOrEqual(1 << 20)
      expect(chunk[0]).toBe((big.toString() + 'end').charCodeAt(3 + bytes))
      bytes += chunk.length
    }
    expect(bytes).toBe(5_000_000)
  })
}
