import type { S3 } from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import type { S3Server } from './client.ts'
import { cutParts } from './cut.ts'
import { S3Failure } from './failure.ts'
import { partBytes, partsAtMost } from './parts.ts'
import { sendParts } from './upload.ts'

/** A server of which only the sizes of parts are real; like Scaleway's it refuses part 1,001. */
function countingServer() {
  const sizes: number[] = []
  const client = {
    async uploadPart({ PartNumber, Body }: { PartNumber: number; Body: Buffer }) {
      if (PartNumber > partsAtMost) throw new S3Failure('InvalidArgument', 400, 'part number out of range')
      sizes[PartNumber - 1] = Body.length
      return { ETag: `"${PartNumber}"` }
    },
  } as unknown as S3
  const s3: S3Server = { endpoint: 'http://s3', ask: (_, call) => call(client, {}), askBriefly: (_, call) => call(client, {}) }
  return { s3, sizes }
}
const upload = { bucket: 'b', key: 'k', id: 'u' }
async function* repeated(chunk: Buffer, times: number) {
  for (let i = 0; i < times; i++) yield chunk
}

test('a stream of 20 GB of which nobody knows the size goes to a server that refuses part 1,001', async () => {
  const { s3, sizes } = countingServer()
  const chunk = Buffer.alloc(32 * 1024 * 1024)
  const times = Math.ceil(20e9 / chunk.length)
  const sent = await sendParts(s3, upload, cutParts(repeated(chunk, times), partBytes))
  expect(sent.bytes).toBe(chunk.length * times)
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(sent.bytes)
  expect(sent.tags).toEqual(sizes.map((_, i) => String(i + 1)))
  expect(sizes.length).toBeLessThanOrEqual(partsAtMost)
})

test('what is refused ends the sending with what the server said, and the source is not asked for more', async () => {
  const { s3 } = countingServer()
  let asked = 0
  async function* source() {
    for (; ; asked++) yield Buffer.alloc(10)
  }
  await expect(
    sendParts(
      s3,
      upload,
      cutParts(source(), () => 10),
    ),
  ).rejects.toThrow('part number out of range')
  expect(asked).toBeLessThan(partsAtMost + 10)
})
