import { expect, test } from 'vitest'
import { invalidAddress } from '../domain/fetch-error.ts'
import { imagesIn } from '../domain/images.ts'
import type { Content, OpenAddress } from './fetch/content.ts'
import type { Outcome } from '../domain/outcome.ts'
import { outcomeOf } from './http/failure.ts'
import type { Call } from './http/slot.ts'
import { sendUpload } from './http/upload-call.ts'
import type { OpenUpload } from './http/upload.ts'
import { inlined } from './inlined.ts'

const png = (bytes: number) => Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(bytes, 7)])
const never = new AbortController().signal
const bodyOf = (...urls: string[]) =>
  Buffer.from(
    JSON.stringify({ model: 'ü', messages: [{ content: urls.map((url) => ({ image_url: { url, detail: 'low' } })) }], n: 1 }),
  )

/** Addresses and what lies there, in pieces of so many bytes; which were opened, and which let go. */
function web(files: Readonly<Record<string, Buffer>>, pieceBytes: number, more: Partial<Content> = {}) {
  const seen = { opened: [] as string[], closed: 0 }
  const open: OpenAddress = async (address, project) => {
    seen.opened.push(`${project} ${address}`)
    const bytes = files[address]
    if (!bytes) throw invalidAddress('it is not there')
    async function* pieces() {
      try {
        for (let at = 0; at < (bytes?.length ?? 0); at += pieceBytes) yield bytes!.subarray(at, at + pieceBytes)
      } finally {
        seen.closed++
      }
    }
    return { bytes: pieces(), contentType: null, name: null, size: bytes.length, ...more }
  }
  return { open, seen }
}
async function drained(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
async function sent(body: Buffer, open: OpenAddress, { maxBytes = 1_000_000, signal = never } = {}) {
  const upload = await inlined(body, imagesIn(body), 'p1', { open, maxBytes }).open(signal)
  return { text: (await drained(upload.bytes)).toString(), length: upload.length, type: upload.contentType }
}

test.each([1, 2, 3, 4, 7, 1000])(
  'in pieces of %d bytes an image is in the body what it was, and no other byte is another',
  async (piece) => {
    for (const size of [0, 1, 2, 3, 50]) {
      const body = bodyOf('https://example.com/a')
      const image = png(size)
      const { text, length, type } = await sent(body, web({ 'https://example.com/a': image }, piece).open)
      const url = `data:image/png;base64,${image.toString('base64')}`
      expect(text).toBe(body.toString().replace('https://example.com/a', url))
      expect([length, type]).toEqual([Buffer.byteLength(text), 'application/json'])
    }
  },
)

test('several images go one after the other, and none is opened before its turn', async () => {
  const files = { 's3://b/1': png(9000), 's3://b/2': png(1), 's3://b/3': png(4) }
  const { open, seen } = web(files, 100)
  const body = bodyOf('s3://b/1', 'data:image/png;base64,AA==', 's3://b/2', 's3://b/3')
  const upload = await inlined(body, imagesIn(body), 'p1', { open, maxBytes: 1_000_000 }).open(never)
  expect([seen.opened, upload.length]).toEqual([['p1 s3://b/1'], null])
  const { text } = await sent(body, open)
  const urls = (JSON.parse(text) as { messages: [{ content: { image_url: { url: string } }[] }] }).messages[0].content
  expect(urls.map(({ image_url: { url } }) => Buffer.from(url.split(',')[1] ?? '', 'base64').length)).toEqual([9008, 1, 9, 12])
})

test('of one whose size nobody told the length is known only where it is small', async () => {
  const of = (size: number, piece: number) => web({ 'https://example.com/a': png(size) }, piece, { size: null })
  expect((await sent(bodyOf('https://example.com/a'), of(2, 5).open)).length).not.toBeNull()
  expect((await sent(bodyOf('https://example.com/a'), of(2000, 100).open)).length).toBeNull()
})

test('what is not there, or is no image, is told before anything is sent, or breaks off what is', async () => {
  const { open } = web({ 'https://example.com/a': png(3), 'https://example.com/page': Buffer.from('<html></html>') }, 5)
  await expect(sent(bodyOf('https://example.com/none'), open)).rejects.toMatchObject({ code: 'url_invalid' })
  await expect(sent(bodyOf('https://example.com/page'), open)).rejects.toMatchObject({ code: 'url_not_an_image' })
  await expect(sent(bodyOf('https://example.com/a', 'https://example.com/page'), open)).rejects.toMatchObject({
    code: 'url_not_an_image',
  })
  const told = web({ 'https://example.com/a': Buffer.from('<svg/>') }, 5, { contentType: 'image/svg+xml' })
  expect((await sent(bodyOf('https://example.com/a'), told.open)).text).toContain('data:image/svg+xml;base64,PHN2Zy8+"')
})

test('more images than may be are refused before any is opened, and more bytes than may be in the midst', async () => {
  const { open, seen } = web({ 'https://example.com/a': png(1000) }, 100)
  const urls = (count: number) => Array.from({ length: count }, () => 'https://example.com/a')
  await expect(sent(bodyOf(...urls(501)), open)).rejects.toMatchObject({ code: 'url_too_many' })
  expect(seen.opened).toEqual([])
  await expect(sent(bodyOf(...urls(3)), open, { maxBytes: 2100 })).rejects.toMatchObject({ code: 'url_too_large' })
  expect((await sent(bodyOf(...urls(2)), open, { maxBytes: 2016 })).length).toBeNull()
})

test('what was opened is closed when the call is over, whether or not anything was read of it', async () => {
  const { open, seen } = web({ 'https://example.com/a': png(1000), 'https://example.com/page': Buffer.from('<html></html>') }, 10)
  for (const address of ['https://example.com/a', 'https://example.com/page']) {
    const [over, body] = [new AbortController(), bodyOf(address)]
    const opening = inlined(body, imagesIn(body), 'p1', { open, maxBytes: 1e6 }).open(over.signal)
    await opening.catch(() => {})
    over.abort()
    await new Promise(setImmediate)
  }
  expect(seen.closed).toBe(2)
})

test('trouble of our own in the midst of a call is ours, and not the backend’s', async () => {
  const { open } = web({ 'https://example.com/a': png(3) }, 100)
  const failing: OpenAddress = (address, ...more) =>
    address.endsWith('/b')
      ? Promise.reject(Object.assign(new Error('no database'), { code: 'ECONNREFUSED' }))
      : open(address, ...more)
  const body = bodyOf('https://example.com/a', 'https://example.com/b')
  const outcome = await new Promise((ended) => {
    const send = ({ bytes }: OpenUpload, told: (outcome: Outcome) => void): Call => {
      void drained(bytes).catch((error: unknown) => told(outcomeOf(error, true)))
      return { abort: () => {} }
    }
    sendUpload(inlined(body, imagesIn(body), 'p1', { open: failing, maxBytes: 1e6 }), { send, ended })
  })
  expect(outcome).toMatchObject({ kind: 'ours' })
})
