import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { audioSeconds, hearAudio } from './duration.ts'

const folder = join(import.meta.dirname, '../../../test/data/audio')
const names = readdirSync(folder).filter((name) => name.startsWith('speech'))
const files = new Map(names.map((name) => [name, readFileSync(join(folder, name))]))
const file = (name: string): Buffer => files.get(name) ?? Buffer.alloc(0)

/** A stream in pieces, and what became of it. */
function stream(bytes: Uint8Array, pieceBytes = 16_384) {
  const seen = { given: 0, open: true }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        seen.given += Math.min(pieceBytes, bytes.length - at)
        yield bytes.subarray(at, at + pieceBytes)
      }
    } finally {
      seen.open = false
    }
  }
  return { pieces: pieces(), seen }
}
const secondsOf = (bytes: Uint8Array, pieceBytes?: number) => audioSeconds(stream(bytes, pieceBytes).pieces, bytes.length)

test.each([
  ['speech.wav', 1],
  ['speech.flac', 1],
  ['speech.mp3', 1.08],
  ['speech-vbr.mp3', 1.008],
  ['speech.ogg', 1],
  ['speech.m4a', 1.064],
  ['speech.webm', 1.008],
])('%s plays for %d s, in whatever pieces it comes', async (name, seconds) => {
  for (const pieceBytes of [1, 7, 4096, 1e6]) expect(await secondsOf(file(name), pieceBytes)).toBeCloseTo(seconds, 3)
})

test.each(names)('%s tells the same when nobody knows its size before it has passed', async (name) => {
  const bytes = file(name)
  const heard = await hearAudio(stream(bytes).pieces, null)
  expect(Math.abs((heard(bytes.length) ?? NaN) - ((await secondsOf(bytes)) ?? NaN))).toBeLessThan(0.06)
})

test('each of the six kinds is among the files', () => {
  expect(names).toHaveLength(7)
  expect(Math.max(...[...files.values()].map((bytes) => bytes.length))).toBeLessThan(20_000)
})

/** A wav header for so many bytes, of which it says that they are more. */
function wav(dataBytes: number, told: { data?: number; rate?: number; align?: number; bits?: number; fact?: number }): Buffer {
  const { data = dataBytes, rate = 8000, align = 2, bits = 16, fact } = told
  const number = (value: number, bytes: number) => {
    const buffer = Buffer.alloc(bytes)
    buffer.writeUIntLE(value, 0, bytes)
    return buffer
  }
  const format = Buffer.concat([
    number(1, 2),
    number(1, 2),
    number(rate, 4),
    number(rate * 2, 4),
    number(align, 2),
    number(bits, 2),
  ])
  const parts = [Buffer.from('WAVEfmt '), number(16, 4), format]
  if (fact !== undefined) parts.push(Buffer.from('fact'), number(4, 4), number(fact, 4))
  parts.push(Buffer.from('data'), number(data, 4), Buffer.alloc(dataBytes))
  return Buffer.concat([Buffer.from('RIFF'), number(0xffffffff, 4), ...parts])
}

test('a wav plays for no longer than its bytes can hold, whatever its header says', async () => {
  const honest = wav(16_000, {})
  const held = (honest.length * 8) / (8000 * 16)
  expect(await secondsOf(honest)).toBe(1)
  const lies = [
    { data: 0xffffffff },
    { data: 0x7fffffff },
    { align: 1 },
    { fact: 0xffffffff },
    { fact: 0xffffffff, data: 0xffffffff, align: 1 },
  ]
  for (const told of lies) {
    const bytes = wav(16_000, told)
    const seconds = await secondsOf(bytes)
    expect((await hearAudio(stream(bytes).pieces, null))(bytes.length)).toBeCloseTo(seconds ?? NaN, 2)
    expect(seconds).toBeGreaterThan(0)
    expect(seconds).toBeLessThanOrEqual(held + 0.01)
  }
  expect(await secondsOf(wav(16_000, { rate: 1, bits: 1, fact: 0xffffffff }))).toBeLessThanOrEqual(((16_000 + 100) * 8) / 100)
  expect(await secondsOf(wav(16_000, { rate: 0 }))).toBeNull()
  expect(await secondsOf(wav(16_000, { align: 0 })).then((seconds) => seconds ?? 0)).toBeLessThanOrEqual(held + 0.01)
})

test('of a wav, a flac and a webm only the beginning is read, and the stream is let go', async () => {
  for (const name of ['speech.wav', 'speech.flac', 'speech.webm']) {
    const bytes = Buffer.concat([file(name), Buffer.alloc(1e6)])
    const { pieces, seen } = stream(bytes, 1024)
    expect(await audioSeconds(pieces, bytes.length)).toBeGreaterThan(0.9)
    expect(seen.given).toBeLessThan(20_000)
    expect(seen.open).toBe(false)
  }
})

test('tags and a large cover before an mp3 or a flac are passed over', async () => {
  const cover = Buffer.alloc(6_000_000, 0xff)
  const size = [21, 14, 7, 0].map((shift) => (cover.length >> shift) & 127)
  const tag = Buffer.concat([Buffer.from('ID3\u0003\u0000\u0000'), Buffer.from(size), cover])
  expect(await secondsOf(Buffer.concat([tag, file('speech.mp3')]))).toBeCloseTo(1.08, 2)
  expect(await secondsOf(Buffer.concat([tag, tag, file('speech-vbr.mp3')]))).toBeCloseTo(1.008, 2)
  expect(await secondsOf(Buffer.concat([tag, file('speech.flac')]))).toBeCloseTo(1, 3)
})

test('what ends before its size has come does not tell, where the end matters', async () => {
  for (const name of ['speech.ogg', 'speech.m4a', 'speech-vbr.mp3']) {
    const bytes = file(name)
    expect(await audioSeconds(stream(bytes.subarray(0, bytes.length - 500)).pieces, bytes.length)).toBeNull()
  }
  expect(await audioSeconds(stream(file('speech.wav').subarray(0, 1000)).pieces, 16_044)).toBe(1)
})

test('a stream that breaks is not taken for a broken file', async () => {
  const broken = async function* () {
    yield file('speech.m4a').subarray(0, 100)
    throw new Error('disk')
  }
  await expect(audioSeconds(broken(), file('speech.m4a').length)).rejects.toThrow('disk')
})

/** `head`, then `count` times the same piece, then `tail`: as large as one likes, and never there as a whole. */
async function* virtual(
  head: Uint8Array,
  piece: Uint8Array,
  count: number,
  tail: Uint8Array,
  each = () => {},
): AsyncGenerator<Uint8Array> {
  yield head
  for (let i = 0; i < count; i++) {
    each()
    yield piece
  }
  yield tail
}

test('of a large file little is held, though what tells its length comes last', async () => {
  const bytes = file('speech.m4a')
  const at = bytes.indexOf('mdat') - 4
  const [piece, count] = [Buffer.alloc(65_536), 2000]
  const [head, tail] = [Buffer.from(bytes.subarray(0, at + 8)), bytes.subarray(at + 8)]
  head.writeUInt32BE(head.readUInt32BE(at) + piece.length * count, at)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  const look = () => (most = Math.max(most, process.memoryUsage().arrayBuffers - before))
  const seconds = await audioSeconds(virtual(head, piece, count, tail, look), bytes.length + piece.length * count)
  expect(seconds).toBeCloseTo(1.064, 3)
  expect(most).toBeLessThan(8_000_000) // of 131 MB
})

const endless: readonly (readonly [string, Buffer, Buffer])[] = [
  ['frames that never are any', Buffer.alloc(0), Buffer.alloc(65_536, Buffer.from([0xff, 0xe0]))],
  ['atoms of eight bytes', Buffer.from('\0\0\0\u0010ftypM4A \0\0\0\0'), Buffer.alloc(65_536, Buffer.from('\0\0\0\bfree'))],
  ['empty elements', Buffer.from('1a45dfa301ffffffffffffff', 'hex'), Buffer.alloc(65_536, Buffer.from([0xec, 0x80]))],
  ['empty chunks', Buffer.from('RIFF\u00f0\u00ff\u00ff\u00ffWAVE', 'latin1'), Buffer.alloc(65_536)],
]
test.each(endless)('a file of %s comes to an end long before its bytes do', async (_, head, piece) => {
  expect(await audioSeconds(virtual(head, piece, 1e9, piece), 0xffffffff)).toBeNull()
})

test('other files are none of these', async () => {
  for (const text of [
    '',
    'a',
    '%PDF-1.7',
    '<html>',
    '{"a":1}',
    'PK\u0003\u0004'.padEnd(100),
    'ID3',
    'RIFF',
    'RIFF    AVI LIST',
    'fLaC',
    'OggS',
  ])
    expect(await secondsOf(Buffer.from(text))).toBeNull()
})

test('whatever is done to a file, reading it neither throws nor says more than its bytes can hold', async () => {
  const change = fc.record({ at: fc.nat({ max: 20_000 }), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) })
  const number = fc
    .constantFrom([0xff, 0xff, 0xff, 0xff], [0x7f, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0, 0, 0, 8])
    .map((b) => Uint8Array.from(b))
  const spoilt = fc
    .tuple(
      fc.constantFrom(...files.values()),
      fc.array(fc.oneof(change, fc.record({ at: fc.nat({ max: 200 }), bytes: number })), { maxLength: 6 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    )
    .map(([whole, changes, part]) => {
      const bytes = Buffer.from(whole.subarray(0, Math.ceil(whole.length * (part > 0.5 ? 1 : part * 2))))
      for (const { at, bytes: some } of changes)
        if (bytes.length > some.length) bytes.set(some, at % (bytes.length - some.length))
      return bytes
    })
  const random = fc
    .tuple(
      fc.constantFrom(
        '',
        'RIFF....WAVE',
        'fLaC',
        'OggS',
        '....ftyp',
        '\u001aE\u00df\u00a3',
        '\u00ff\u00fb',
        'ID3\u0003\0\0\0\0\0\u0001',
      ),
      fc.uint8Array({ maxLength: 3000 }),
    )
    .map(([head, rest]) => Buffer.concat([Buffer.from(head, 'latin1'), rest]))
  await fc.assert(
    fc.asyncProperty(fc.oneof(spoilt, random), async (bytes) => {
      const { pieces, seen } = stream(bytes, 1000)
      const seconds = await audioSeconds(pieces, bytes.length)
      if (seconds !== null) expect(seconds > 0 && seconds <= (bytes.length * 8) / 100).toBe(true)
      expect(seen.open && seen.given > 0).toBe(false)
    }),
    { numRuns: 1500 },
  )
})

test('an mp3 of one bit rate is not counted frame by frame, also when nobody knows its size: two hours are told', async () => {
  const speech = file('speech.mp3')
  const second = speech.indexOf(Buffer.from([0xff, 0xf3]), speech.indexOf('Info')) // NOTE: the first frame says how many there are
  const long = Buffer.concat(Array.from({ length: 7000 }, () => speech.subarray(second)))
  const heard = await hearAudio(stream(long).pieces, null)
  const whole = (await secondsOf(long)) ?? NaN
  expect(whole).toBeGreaterThan(7000)
  expect(Math.abs((heard(long.length) ?? NaN) - whole)).toBeLessThan(whole / 100)
})
