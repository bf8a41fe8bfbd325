import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isDataAddress, openData } from './data-address.ts'

async function opened(address: string, maxBytes = 1e6) {
  const { bytes, contentType, size } = openData(address, maxBytes)
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  const all = Buffer.concat(chunks)
  expect(size).toBe(all.length)
  return [contentType, all.toString()]
}

test.each([
  ['data:audio/wav;base64,aGVsbG8=', 'audio/wav', 'hello'],
  ['DATA:audio/wav;BASE64,aGVsbG8', 'audio/wav', 'hello'],
  ['data:audio/ogg;codecs=opus;base64,aGVs%0AbG8%3D', 'audio/ogg;codecs=opus', 'hello'],
  ['data:;base64, aGVs bG8= ', 'text/plain;charset=US-ASCII', 'hello'],
  ['data:,', 'text/plain;charset=US-ASCII', ''],
  ['data:;base64,', 'text/plain;charset=US-ASCII', ''],
  ['data:text/plain,a%20b,%c3%bc%zz%', 'text/plain', 'a b,ü%zz%'],
  ['data:text/plain,üa', 'text/plain', 'üa'],
])('%s is read', async (address, type, text) => expect(await opened(address)).toEqual([type, text]))

test.each([
  'data:',
  'data:audio/wav;base64',
  'http://a,b',
  'data:;base64,a',
  'data:;base64,aGVsbG8==x',
  'data:;base64,aG_s',
  'data:;base64,aG=s',
  'data:;base64,a===',
])('%s is not', (address) =>
  expect(() => openData(address, 100)).toThrow(expect.objectContaining({ code: 'url_invalid' }) as Error),
)

test('what is too large is refused before it is decoded, in either form', async () => {
  const base64 = `data:;base64,${Buffer.alloc(101).toString('base64')}`
  for (const address of [base64, `data:,${'%41'.repeat(101)}`])
    expect(() => openData(address, 100)).toThrow(expect.objectContaining({ code: 'url_too_large' }) as Error)
  expect((await opened(`data:,${'%41'.repeat(100)}`, 100))[1]).toHaveLength(100)
  expect((await opened(`data:;base64,${Buffer.alloc(100).toString('base64')}`, 100))[1]).toHaveLength(100)
})

test('any bytes come back, in pieces that are not large', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: 2000 }), async (some, times) => {
      const all = Buffer.concat(Array<Uint8Array>(times).fill(some))
      const chunks: Uint8Array[] = []
      for await (const chunk of openData(`data:a/b;base64,${all.toString('base64')}`, 1e6).bytes) chunks.push(chunk)
      expect(Buffer.concat(chunks).equals(all)).toBe(true)
      expect(Math.max(0, ...chunks.map((chunk) => chunk.length))).toBeLessThanOrEqual(64 * 1024)
    }),
    { numRuns: 50 },
  )
})

test('what is a data: address is told by its beginning', () => {
  expect(['data:,', 'Data:x', 'https://a', ' data:,', 'dataset:x'].map(isDataAddress)).toEqual([true, true, false, false, false])
})
